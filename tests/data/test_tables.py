"""Benchmark tables: small ones that a test writes, and the genuine ones where they are."""

import io
import json
import random
import re
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from squeezenas.ask_tell.evaluators.table import TableEvaluator
from squeezenas.core.space import make_space
from squeezenas.data.tables import BenchmarkTable, read_table
from tests.data.small_tables import ROWS, card, nasbench, small, write

NASBENCH201 = {
    "op_names": np.array(["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"]),
    "arch": np.array([[4, 3, 0, 3, 0, 0], [1, 2, 2, 2, 2, 2]], dtype=np.uint8),
    "accuracy": np.array([80.0, 90.0]),
}


@pytest.mark.parametrize("suffix", ["json", "csv", "npz"])
def test_a_table_of_ones_own(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"t.{suffix}", ROWS)
    table = read_table(card(tmp_path, f"t.{suffix}"))
    assert [choice.options for choice in table.space.choices] == [("2", "10"), ("a", "b")]
    assert len(table) == table.space.size() == 4
    for architecture, row in zip(table.architectures(), ROWS, strict=True):
        assert table.space.write(architecture) == [str(row["depth"]), row["kind"]]
        assert table.value(architecture, "accuracy") == pytest.approx(row["accuracy"] / 100)
        assert table.cost(architecture, "latency") == row["latency"]
        assert table.cost(architecture, "seconds") == pytest.approx(row["hours"] * 3600)
    assert table.figures["accuracy"].text(table.column("accuracy")[0]) == "71.50%"
    assert table.units == {"latency": "ms", "seconds": "s"}


def test_options_of_the_card_are_the_space_whatever_the_rows_have(tmp_path: Path) -> None:
    scale = {"choices": {"depth": [2, 4, 10], "kind": []}}
    table = small(tmp_path, ROWS, scale=scale)
    assert table.whole.size() == 6
    assert table.space.size() == len(table) == 4
    missing = table.whole.read(["4", "a"])
    assert missing not in table
    for ask in (table.value, table.cost):
        with pytest.raises(ValueError, match="table t: 4 a is not in it; propose another"):
            ask(missing, "accuracy" if ask == table.value else "latency")
    with pytest.raises(ValueError, match="tabular: 4 a is not in the table"):
        table.space.read(["4", "a"])
    with pytest.raises(ValueError, match=r"t\.json: row 3: depth: unknown option '10'"):
        small(tmp_path, ROWS, scale={"choices": {"depth": [2, 4], "kind": []}})


def test_architectures_as_text_or_picks_of_any_space(tmp_path: Path) -> None:
    space = make_space("nasbench201")
    cells = [space.sample(random.Random(seed)) for seed in range(3)]
    other = {"space": "nasbench201", "scale": {}, "architecture": "cell"}
    for written in ([space.write(c)[0] for c in cells], [list(c.picks) for c in cells]):
        rows = [{**row, "cell": cell} for row, cell in zip(ROWS[:3], written, strict=True)]
        assert small(tmp_path, rows, **other).architectures() == cells
    np.savez(
        tmp_path / "t.npz",
        cell=np.array([c.picks for c in cells]),
        **{name: [row[name] for row in ROWS[:3]] for name in ("accuracy", "latency", "hours")},
    )
    assert read_table(card(tmp_path, "t.npz", **other)).architectures() == cells


def lacking(name: str, *numbers: float | None) -> list[dict[str, Any]]:
    return [{**row, name: number} for row, number in zip(ROWS, numbers, strict=True)]


def test_what_was_not_measured(tmp_path: Path) -> None:
    rows = lacking("accuracy", 71.5, None, 80.25, -1.0)
    figures = {"accuracy": {"column": "accuracy", "label": "a", "divide_by": 100, "missing": -1}}
    table = small(tmp_path, rows, figures=figures)
    assert np.isnan(table.column("accuracy")).tolist() == [False, True, False, True]
    with pytest.raises(ValueError, match="2 b has no number for accuracy; propose another"):
        table.value(table.architectures()[1], "accuracy")
    assert table.measured(table.architectures()[1]) == {}
    with pytest.raises(
        ValueError,
        match="2 of 4 architectures have no number for accuracy, the first is 2 b in row 2; .*"
        r"datasets\.partial=true",
    ):
        table.require("accuracy")
    partial = small(tmp_path, rows, figures=figures, partial=True).require("accuracy", "latency")
    assert [partial.space.write(a) for a in partial.architectures()] == [["2", "a"], ["10", "a"]]
    assert partial.space.size() == len(partial) == 2
    assert partial.column("latency").tolist() == [3.0, 9.0]
    assert partial.value(partial.architectures()[1], "accuracy") == 0.8025
    few = small(tmp_path, lacking("latency", 1.0, None, None, None), partial=True)
    assert few.require("accuracy") is few
    with pytest.raises(ValueError, match="1 architectures have all that is asked for"):
        few.require("accuracy", "latency")


def test_unknown_figures_and_costs(tmp_path: Path) -> None:
    table = small(tmp_path, ROWS)
    one = table.architectures()[0]
    with pytest.raises(ValueError, match=r"no figure 'acuracy' \(did you mean 'accuracy'\?\)"):
        table.value(one, "acuracy")
    with pytest.raises(ValueError, match=r"no figure 'latency'.*; known: accuracy"):
        table.require("latency")
    with pytest.raises(ValueError, match=r"no cost 'accuracy'.*; known: latency, seconds"):
        table.require("accuracy", "accuracy")
    with pytest.raises(ValueError, match="no figure or cost 'macs'"):
        table.column("macs")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ROWS[1]], "rows 2 and 5 are the same architecture, 2 b; keep one"),
        (ROWS[:1], "every choice has one option"),
        (lacking("accuracy", 70, 101, 80, 80), r"accuracy is 1.01 in row 2, .*figures\.accuracy\."),
        (lacking("latency", 1, 2, -1, 3), r"latency is -1 in row 3; .*costs\.latency\.missing"),
        (lacking("latency", 1, float("inf"), 1, 3), "latency is infinite in row 2"),
        (lacking("latency", 1, "fast", 1, 3), "latency has 'fast' in row 2, which is no number"),  # type: ignore[arg-type]
        (lacking("latency", 1, [1, 2], 1, 3), r"latency has \[1, 2\] in row 2"),  # type: ignore[arg-type]
        (lacking("latency", *[[1, 2]] * 4), "2 numbers a row; say which with index"),  # type: ignore[arg-type]
        ([{"depth": 1, "accuracy": 1}], "no column 'kind'; it has depth, accuracy"),
        ([], r"no column 'depth'"),
        ([*ROWS, {**ROWS[0], "kind": None}], "kind is empty in row 5; write an option"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    (tmp_path / "t.json").write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=message):
        read_table(card(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", '{"a": 1}', r"t\.json: no list of objects"),
        ("t.json", "[{", r"t\.json: .*write it anew as \.json"),
        ("t.csv", "", r"t\.csv: empty"),
        ("t.csv", "depth,kind\n2,a\n3", "line 3 has 1 fields for 2 columns"),
        ("t.csv", "depth,depth\n2,3", "column 'depth' is there twice"),
        ("t.npz", "no zip", r"t\.npz: .*write it anew as \.npz"),
        ("t.txt", "", r"t\.txt: a table is a \.npz, \.csv or \.json file"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_table(card(tmp_path, name))


def test_columns_of_different_lengths(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", depth=np.array([1, 2]), kind=np.array(["a", "b", "c"]))
    with pytest.raises(ValueError, match="differ in their number of rows: depth 2, kind 3"):
        read_table(card(tmp_path, "t.npz"))


def test_files_that_are_not_there_or_hold_objects(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"t\.json: no such file; set datasets\.root.*wri"):
        read_table(card(tmp_path))
    np.savez(tmp_path / "t.npz", depth=np.array([{}, 1], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        read_table(card(tmp_path, "t.npz"))
    beyond = np.array([sys.maxunicode + 1], np.uint32).view("U1")
    np.savez(tmp_path / "t.npz", depth=np.array([1]), kind=beyond)
    with pytest.raises(ValueError, match="letters that Unicode does not have"):
        read_table(card(tmp_path, "t.npz"))
    with (tmp_path / "lone.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="a lone array"):
        read_table(card(tmp_path, "lone.npz"))


def test_numbers_of_another_file(tmp_path: Path) -> None:
    costs = {"energy": {"file": "u.npz", "column": "energy", "index": 1, "unit": "mJ"}}
    np.savez(tmp_path / "u.npz", energy=np.arange(1, 9).reshape(4, 2))
    table = small(tmp_path, ROWS, costs=costs, seconds="")
    assert table.column("energy").tolist() == [2, 4, 6, 8]
    costs["energy"]["index"] = 2
    with pytest.raises(ValueError, match=r"u\.npz: energy has no index 2; its shape is \(4, 2\)"):
        small(tmp_path, ROWS, costs=costs, seconds="")
    np.savez(tmp_path / "u.npz", energy=np.ones((3, 3)))
    with pytest.raises(ValueError, match="energy has 3 rows, but there are 4 architectures"):
        small(tmp_path, ROWS, costs=costs, seconds="")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"arch": np.zeros((2, 5), dtype=np.uint8)}, r"arch has shape \(2, 5\) instead of \(rows"),
        ({"arch": np.full((2, 6), 5)}, r"arch has numbers from 5 to 5, which are not in 0\.\.4"),
        ({"op_names": np.array(["none", "skip"])}, "op_names has none, skip; the operations of"),
    ],
)
def test_other_arrays_than_those_of_nasbench201(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    kind = {
        "space": "nasbench201",
        "layout": "nasbench201",
        "scale": {},
        "costs": {},
        "seconds": "",
    }
    np.savez(tmp_path / "t.npz", **NASBENCH201)
    table = read_table(card(tmp_path, "t.npz", **kind))
    assert table.whole.write(table.architectures()[1]) == [
        "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    ]
    np.savez(tmp_path / "t.npz", **{**NASBENCH201, **arrays})
    with pytest.raises(ValueError, match=message):
        read_table(card(tmp_path, "t.npz", **kind))


def test_the_evaluator_says_what_the_table_says(tmp_path: Path) -> None:
    figures = {
        "accuracy": {"column": "accuracy", "label": "accuracy", "divide_by": 100},
        "error": {"column": "hours", "label": "e", "percent": False, "higher_is_better": False},
    }
    table = small(tmp_path, ROWS, figures=figures)
    evaluator = TableEvaluator(table, cost="latency")
    assert (evaluator.unit, evaluator.figure.label) == ("ms", "accuracy")
    best = evaluator.space.read(["10", "a"])
    found = evaluator.evaluate(best, seed=3)
    assert (found.value, found.seconds) == (0.8025, pytest.approx(10800))
    assert found.figures == {"accuracy": 0.8025, "error": 3.0}
    assert evaluator.cost(best) == 9.0
    alone = TableEvaluator(small(tmp_path, ROWS, seconds=""), "accuracy")
    assert alone.cost(best) is None
    assert alone.evaluate(best, 0).seconds == 0
    with pytest.raises(ValueError, match="no cost 'macs'"):
        TableEvaluator(table, cost="macs")


def test_nasbench201_as_published(shared_data: Path, repository: Path) -> None:
    table = nasbench(shared_data, repository, "nasbench201")
    assert len(table) == len(set(table.architectures())) == table.space.size() == 15_625
    # arXiv:2001.00326, table 5: the optimal cell and that of a ResNet, CIFAR-10 test.
    assert table.column("cifar10_test_200ep").max() == pytest.approx(0.9437, abs=5e-5)
    resnet = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
    value = table.value(table.space.read([resnet]), "cifar10_test_200ep")
    assert value == pytest.approx(0.9397, abs=5e-5)
    assert table.column("cifar10_val_12ep").max() == pytest.approx(0.84892, abs=5e-6)
    nothing = table.space.architecture([0] * 6)
    assert table.value(nothing, "cifar10_test_200ep") == pytest.approx(0.1)
    with np.load(shared_data / "nasbench" / "hwnasbench201_metrics.npz") as hardware:
        for row in random.Random(0).sample(range(len(table)), 100):
            cell = table.architectures()[row]
            names = [str(hardware["op_names"][index]) for index in hardware["arch"][row]]
            assert re.findall(r"(\w+)~", table.space.write(cell)[0]) == names
            assert table.cost(cell, "raspi4") == hardware["hw_cifar10_raspi4_latency"][row]
    with pytest.raises(ValueError, match="6,180 of 15,625 architectures have no number for imagen"):
        table.require("imagenet16_val_200ep")
    with pytest.raises(ValueError, match="4,699 of 15,625 architectures have no number for edgetp"):
        table.require("cifar10_val_12ep", "edgetpu")
    partial = nasbench(shared_data, repository, "nasbench201", partial=True)
    assert len(partial.require("imagenet16_val_200ep")) == 9_445


@pytest.fixture(scope="module")
def nasbench101(shared_data: Path, repository: Path) -> BenchmarkTable:
    return nasbench(shared_data, repository, "nasbench101")


def test_nasbench101_has_the_cells_of_its_hashes(
    nasbench101: BenchmarkTable, shared_data: Path
) -> None:
    with np.load(shared_data / "nasbench" / "nasbench101_val_30001.npz") as arrays:
        hashes = arrays["module_hash"]
        correct = arrays["val_correct_of_9984"]
    assert len(nasbench101) == 30_001
    for row in random.Random(0).sample(range(len(hashes)), 3000):
        cell = nasbench101.architectures()[row]
        assert nasbench101.whole.canonical(cell) == hashes[row].tobytes().hex()
        assert nasbench101.value(cell, "val") == correct[row, 3] / 9984
    seconds = nasbench101.column("seconds")
    assert seconds.min() == pytest.approx(284.243, abs=1e-3)


def test_a_cell_written_in_another_way_is_found(nasbench101: BenchmarkTable) -> None:
    """Vertices 1 and 2, neither of which reads the other, change places."""
    whole, changed = nasbench101.whole, 0
    for cell in nasbench101.architectures()[:300]:
        *vertices, output = whole.write(cell)
        if "1" in vertices[1] or vertices[0] == vertices[1]:
            continue
        swap = str.maketrans("12", "21")
        texts = [vertices[1], vertices[0], *vertices[2:], output]
        heads, reads = zip(*(text.split("(") for text in texts), strict=True)
        swapped = [
            f"{head}({read.translate(swap)}" for head, read in zip(heads, reads, strict=True)
        ]
        twin = whole.read(swapped)
        assert nasbench101.value(twin, "val") == nasbench101.value(cell, "val")
        changed += twin != cell
    assert changed > 20


def npz(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("squeezenas.data.table_files.MOST_BYTES", 1 << 20)
    path = npz(tmp_path / "t.npz", ("depth.npy", npy(np.zeros(1 << 20))))
    assert path.stat().st_size < 1 << 14
    with pytest.raises(ValueError, match=r"t\.npz: .*more than 1,048,576 bytes when unpacked"):
        read_table(card(tmp_path, "t.npz"))


def test_an_array_that_says_it_is_of_terabytes_is_not_made(tmp_path: Path) -> None:
    honest = npy(np.zeros(4))
    lies = honest.replace(b"(4,), }" + b" " * 10, b"(4" + b"0" * 10 + b",), }")
    assert len(lies) == len(honest) == 160
    npz(tmp_path / "t.npz", ("depth.npy", lies))
    with pytest.raises(ValueError, match=r"t\.npz: .*160 bytes are no array \(40000000000,\)"):
        read_table(card(tmp_path, "t.npz"))


def test_an_archive_unpacks_no_more_than_it_says(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", ("depth.npy", bytes(32 << 20)))
    for place in (b"PK\x03\x04", b"PK\x01\x02"):  # what it says, twice
        at = path.read_bytes().index(place) + (22 if place[2] == 3 else 24)
        content = bytearray(path.read_bytes())
        content[at : at + 4] = (160).to_bytes(4, "little")
        path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"t\.npz: no whole archive of arrays"):
        read_table(card(tmp_path, "t.npz"))
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["[]", "'<U0'", "'|V0'", "'|S0'", "('<f8', (0,))", "'<f8'"])
def test_rows_of_nothing_are_refused(tmp_path: Path, kind: str) -> None:
    """They take no bytes, however many there are."""
    shape = "(4096, 0)" if kind == "'<f8'" else "(4096,)"
    head = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}".encode()
    content = b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head
    npz(tmp_path / "t.npz", ("depth.npy", content))
    with pytest.raises(ValueError, match=r"t\.npz: .*has nothing in it"):
        read_table(card(tmp_path, "t.npz"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    depth = npy(np.array([1, 2]))
    npz(tmp_path / "t.npz", ("depth.npy", depth), ("depth.npy", depth))
    with pytest.raises(ValueError, match=r"t\.npz: .*array 'depth' is there twice"):
        read_table(card(tmp_path, "t.npz"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lacking("accuracy", 70, 10**400, 80, 80), "accuracy has 1000.* in row 2, which is no num"),  # type: ignore[arg-type]
        ([{str(i): i} for i in range(9000)], "9,000 rows of 9,000 columns are more than are read"),
        ([[[]]], "no list of objects"),
    ],
)
def test_numbers_and_rows_without_bounds(tmp_path: Path, rows: list[Any], message: str) -> None:
    (tmp_path / "t.json").write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=message):
        read_table(card(tmp_path))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(ValueError, match=r"t\.json: .*recursion.*; write it anew as \.json"):
        read_table(card(tmp_path))


def test_a_field_without_end_and_thousands_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("depth,kind\n2," + "a" * 200_000)
    with pytest.raises(ValueError, match=r"t\.csv: field larger than field limit"):
        read_table(card(tmp_path, "t.csv"))
    path.write_text(",".join(map(str, range(100_000))) + "\n")
    with pytest.raises(ValueError, match=r"t\.csv: no column 'depth'"):
        read_table(card(tmp_path, "t.csv"))


@pytest.mark.parametrize("cell", [[1.5, 2], [None], [], [[1]], "a" * 5000, ["a" * 5000]])
def test_what_describes_no_architecture(tmp_path: Path, cell: object) -> None:
    rows = [{**row, "cell": cell} for row in ROWS]
    with pytest.raises(ValueError, match=r"t\.json: row 1: an architecture is a text, or a list"):
        small(tmp_path, rows, space="nasbench201", scale={}, architecture="cell")
