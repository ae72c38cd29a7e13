"""Cell searches in two processes are those in one, and a kill changes nothing."""

import os
import subprocess
import sys

import pytest
import torch

from tests.search.cells_together import CASES
from tests.search.test_resume import TIMES, same
from tests.search.test_resume_strategies import FILES


@pytest.fixture(scope="module")
def folder(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    done = subprocess.run(
        [sys.executable, "-m", "tests.search.cells_together", str(folder)],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder


def numbers(value, name=""):
    """Every tensor and number within a state, by where it stands."""
    if isinstance(value, dict):
        return {k: v for key in value for k, v in numbers(value[key], f"{name}.{key}").items()}
    if isinstance(value, (list, tuple)):
        return numbers(dict(enumerate(value)), name)
    return {name: value} if isinstance(value, (torch.Tensor, float)) else {}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_does(folder, case):
    one, two = (torch.load(folder / f"{case}-{n}.pt", weights_only=True) for n in (1, 2))
    for part in ("supernet", "strategy", "metrics", "counts", "history", "figure"):
        left, right = numbers(one[part], part), numbers(two[part], part)
        assert left.keys() == right.keys()
        for name, value in left.items():
            torch.testing.assert_close(
                right[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}"
            )


def test_a_killed_search_of_a_text_ends_as_the_one_left_alone(folder):
    alone, killed = (folder / name / "runs" / "toy" for name in ("alone", "killed"))
    for name in FILES:
        assert (killed / name).read_bytes() == (alone / name).read_bytes(), name
    assert (alone / "metrics.jsonl").read_bytes().count(b"\n") == 18
    ends = [torch.load(f / "checkpoints" / "last.pt", weights_only=True) for f in (alone, killed)]
    for part in set(ends[0]) - TIMES:
        assert same(ends[0][part], ends[1][part]), part
