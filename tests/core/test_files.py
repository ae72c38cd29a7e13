import os
import stat
from pathlib import Path

import pytest
import yaml

from squeezenas.core.files import to_yaml, write_atomically
from squeezenas.core.reading import read_yaml


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", r"x\.yaml, line 3: found duplicate key"),
        (b"a: 1\nb: [1, 2\n", r"x\.yaml, line 3: "),
        (b"- 1\n- 2\n", r"x\.yaml: expected `key: value`"),
        (b"5\n", r"x\.yaml: expected `key: value`"),
        (b"a: \xff\xfe\n", r"x\.yaml"),
        (b"a: ${b\n", r"x\.yaml: "),
    ],
)
def test_broken_yaml_names_the_file(tmp_path, content, message):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_yaml(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_yaml(tmp_path / "x.yaml")


def test_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("lr: 1e-3\n")
    assert read_yaml(path) == {"lr": 0.001}


def test_yaml_round_trip():
    data = {"z": 1e-05, "a": [1, 2], "name": "1e5", "none": None, "text": "é: #"}
    assert yaml.safe_load(to_yaml(data)) == data
    assert list(yaml.safe_load(to_yaml(data))) == list(data)


def test_writing_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["x.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in Path(tmp_path).iterdir()] == ["x.txt"]
