import base64
import io
import re

import pytest
from PIL import Image

from squeezenas.report.page import files
from squeezenas.report.page.curves import POINTS, thinned
from squeezenas.report.page.files import Series, read_lines, read_picture, read_table


def test_columns_are_numbers_truths_or_texts(tmp_path):
    path = tmp_path / "candidates.csv"
    path.write_text('kind,cost,front,error\na,1.5,True,\n"b,c",nan,False,x\nd\n')
    table = read_table(path)
    assert table.columns == {
        "kind": ["a", "b,c", "d"],
        "cost": [1.5, None, None],
        "front": [True, False, None],
        "error": [None, "x", None],
    }
    assert table.numbers("missing") == [None] * 3
    assert table.texts("kind") == ["a", "b,c", "d"]


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,2,3\n", b"a,a\n1,2\n", b"\xff\xfe,b\n", b"a\n" + b"x" * 200_000 + b"\n"],
    ids=["too many fields", "names twice", "not UTF-8", "a huge field"],
)
def test_a_broken_table_is_named(tmp_path, content):
    path = tmp_path / "trials.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read_table(path)


def test_rows_beyond_the_limit_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROWS", 2)
    (tmp_path / "t.csv").write_text("a\n1\n2\n3\n4\n5\n")
    table = read_table(tmp_path / "t.csv")
    assert (len(table), table.left_out) == (2, 3)


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"step": 1, "loss": 2.5}\n{"step": 2, "loss": null, "other": "x"}\n{"step": 3, "lo'
    )
    found = read_lines(path)
    assert found["loss"] == Series([1.0, 2.0], [2.5, None])
    assert found["other"].values == [None]


@pytest.mark.parametrize("line", ["[1]", "{", '{"a": NaN}', "[" * 5000])
def test_a_broken_line_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read_lines(path)


def test_pictures_become_small(tmp_path):
    Image.new("RGB", (3000, 30), "red").save(tmp_path / "overlays.png")
    uri = read_picture(tmp_path / "overlays.png")
    kind, _, content = uri.partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert kind == "data:image/jpeg;base64"
    assert picture.size == (files.WIDEST, 14)
    assert read_picture(tmp_path / "absent.png") is None


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "overlays.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.raises(ValueError, match=r"overlays\.png: not a picture"):
        read_picture(tmp_path / "overlays.png")


def test_thinned_curves_keep_their_extremes():
    values = [float(i % 7) for i in range(50_000)]
    values[31_234], values[777], values[5] = 1e6, -1e6, None
    shown = thinned(Series([float(i) for i in range(50_000)], values))
    assert len(shown.steps) <= POINTS
    assert shown.steps == sorted(shown.steps)
    assert max(v for v in shown.values if v is not None) == 1e6
    assert min(v for v in shown.values if v is not None) == -1e6
    assert shown.values[shown.steps.index(31_234.0)] == 1e6


def test_a_palette_with_transparency_is_a_picture(tmp_path):
    picture = Image.new("P", (4, 4))
    picture.save(tmp_path / "overlays.png", transparency=b"\x00\x80")
    assert read_picture(tmp_path / "overlays.png").startswith("data:image/jpeg")


def test_a_picture_that_calls_itself_huge_is_named(tmp_path, monkeypatch):
    Image.new("L", (8, 8)).save(tmp_path / "overlays.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # more than twice as many are an error
    with pytest.raises(ValueError, match=r"overlays\.png: not a picture that can be shown"):
        read_picture(tmp_path / "overlays.png")


def test_more_names_than_are_kept_do_not_cut_the_others_short(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "COLUMNS", 2)
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(f'{{"step": {i}, "a": 1, "b": 2, "c": 3}}\n' for i in range(4)))
    found = read_lines(path)
    assert {name: len(series.steps) for name, series in found.items()} == {"a": 4, "b": 4}
