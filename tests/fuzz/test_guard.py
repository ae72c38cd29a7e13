"""The guard of the fuzzer sees files that are moved, also to where."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz.guard import Guard


def test_what_is_moved_stays_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = []
    monkeypatch.setattr(sys, "addaudithook", hooks.append)  # a real one could not be taken away
    guard = Guard()
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    with guard.watching(inside):
        for source, target in ((inside, inside), (inside, outside), (outside, inside)):
            hooks[0]("os.rename", (str(source / "a"), str(target / "b"), -1, -1))
    assert guard.events == [
        f"os.rename for writing: {outside / 'b'}",
        f"os.rename for writing: {outside / 'a'}",
    ]
