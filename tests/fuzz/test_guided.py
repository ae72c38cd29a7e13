"""The coverage-guided attack, for a moment, where atheris is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris is not installed; pip install atheris (Linux)")


def run(tmp_path: Path, repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", *words],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(repository), "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_it_attacks_a_reader_from_its_seeds(tmp_path: Path, repository: Path) -> None:
    done = run(tmp_path, repository, "model_card", "-runs=150", "-seed=1", "-timeout=300")
    assert done.returncode == 0, done.stderr
    assert "Done 150 runs" in done.stderr
    assert not list(tmp_path.glob("crash-*"))


def test_readers_are_named(tmp_path: Path, repository: Path) -> None:
    done = run(tmp_path, repository, "model_cart")
    assert done.returncode == 1
    assert "no such reader; there are " in done.stderr
