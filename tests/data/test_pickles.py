"""What a pickle may not do, beside the attacks in `tests/fuzz/test_bombs.py`."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from squeezenas.data import pickles
from squeezenas.data.pickles import read_pickle

PRIME = 2**61 - 1
"""Multiples of it have the same hash."""


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("key", [2**61, -(2**61), 3 * PRIME, PRIME << 99])
def test_whole_numbers_are_not_larger_than_their_hashes(
    tmp_path: Path, protocol: int, key: int
) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({"a": {key: 1}}, protocol))
    with pytest.raises(ValueError, match="batch is damaged"):
        read_pickle(path, 9999)
    path.write_bytes(pickle.dumps({"a": [PRIME, -PRIME]}, protocol))
    assert read_pickle(path, 9999) == {"a": [PRIME, -PRIME]}


def test_instructions_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({"a": [[] for _ in range(400)]}, 4))
    assert len(read_pickle(path, 9999)["a"]) == 400
    monkeypatch.setattr(pickles, "INSTRUCTIONS", 800)
    with pytest.raises(ValueError, match="batch is damaged"):
        read_pickle(path, 9999)


def test_cifar_100_has_far_fewer_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own writer used protocol 2; of all protocols 0 takes most."""
    names = [f"bos_taurus_s_{number:06d}.png" for number in range(500)]
    content = {"filenames": names, "fine_labels": [99] * 500, "coarse_labels": [9] * 500}
    path = tmp_path / "train"
    path.write_bytes(pickle.dumps(content, 0))
    monkeypatch.setattr(pickles, "INSTRUCTIONS", pickles.INSTRUCTIONS // 1000)
    assert read_pickle(path, 1 << 20) == content


@pytest.mark.parametrize("word", ["_codecs\nencode", "numpy\nndarray", "numpy\ndtype"])
@pytest.mark.parametrize("name", ["__defaults__", "__doc__", "content"])
def test_a_file_changes_nothing_of_the_program(tmp_path: Path, word: str, name: str) -> None:
    path = tmp_path / "batch"
    state = b"N}X%c\x00\x00\x00%sK\x05\x85s\x86" % (len(name), name.encode())
    path.write_bytes(b"\x80\x02}X\x01\x00\x00\x00ac" + word.encode() + b"\n" + state + b"bs.")
    with pytest.raises(ValueError, match=r"batch (wants to run the instruction BUILD|is damaged)"):
        read_pickle(path, 9999)
