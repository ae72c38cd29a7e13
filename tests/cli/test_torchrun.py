"""`torchrun --max-restarts`: a run one of whose processes was killed goes on and ends the same."""

import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from tests.search.forks import free_port
from tests.training import toy

TORCHRUN = ["torch.distributed.run", "--nproc-per-node=2", "--max-restarts=1"]


@pytest.fixture(scope="module")
def runs(repository, tmp_path_factory):
    """Run folders of a training left alone and of one that was killed, and what was said.

    Neither has a name.
    """
    folder, found = tmp_path_factory.mktemp("torchrun"), {}
    program = "tests.cli.killed_in_step"
    launches = {
        "alone": [program, "alone"],
        "killed": [*TORCHRUN, f"--master-port={free_port()}", "-m", program],
    }
    for life, launch in launches.items():
        words = [word for word in toy.arguments(folder / life) if word != "name=toy"]
        done = subprocess.run(
            [sys.executable, "-m", *launch, "train", *words],
            cwd=repository, capture_output=True, text=True, check=False, timeout=600,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        (run,) = (folder / life / "runs").iterdir()
        found[life] = run, done.stdout
    return found


def test_the_run_goes_on_where_it_was(runs):
    folder, said = runs["killed"]
    assert "resuming at step 2" in said
    assert (folder / "launch").is_file()
    assert "resuming" not in runs["alone"][1]


def test_it_ends_as_one_that_was_left_alone(runs):
    places = [next(p for p in runs[life][0].iterdir() if p.is_dir()) for life in runs]
    alone, killed = ((place / "metrics.jsonl").read_text() for place in places)
    assert [json.loads(line)["step"] for line in alone.splitlines()] == [1, 2, 3, 4]
    assert killed == alone
    left, right = (load_file(place / "weights.safetensors") for place in places)
    assert list(left) == list(right)
    assert all(left[name].equal(right[name]) for name in left)
    assert (runs["killed"][0] / "model.yaml").is_file()
