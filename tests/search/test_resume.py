"""`--resume` goes on bit for bit, wherever the process was killed."""

import os
import subprocess
import sys

import pytest
import torch

TIMES = {"seconds", "run"}  # how long it took, and the sizes of files that say so


@pytest.fixture(scope="module")
def folders(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    done = subprocess.run(
        [sys.executable, "-m", "tests.search.kill_and_resume", str(folder), "0"],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return folder / "alone" / "toy", folder / "killed" / "toy"


@pytest.mark.parametrize(
    "name", ["architecture.yaml", "metrics.jsonl", "candidates.csv", "probabilities.json"]
)
def test_the_files_are_those_of_an_uninterrupted_run(folders, name):
    alone, killed = (folder / name for folder in folders)
    assert alone.read_bytes()
    assert killed.read_bytes() == alone.read_bytes()


def same(left, right):
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def test_the_last_checkpoint_is_that_of_an_uninterrupted_run(folders):
    alone, killed = (
        torch.load(folder / "checkpoints" / "last.pt", weights_only=True) for folder in folders
    )
    assert list(alone) == list(killed)
    assert alone["step"] == 12
    assert len(alone["scores"]) > 4
    for part in set(alone) - TIMES:
        assert same(alone[part], killed[part]), part


def test_nothing_half_written_is_left(folders):
    names = {str(path.relative_to(folders[0])) for path in folders[0].rglob("*")}
    for path in folders[1].rglob("*"):
        assert str(path.relative_to(folders[1])) in names or path.name.startswith("."), path
