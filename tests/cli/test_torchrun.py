"""`torchrun --max-restarts`: a run whose process was killed goes on by itself, and ends the same."""

import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from tests.search.forks import free_port
from tests.training import toy


@pytest.fixture(scope="module")
def runs(repository, tmp_path_factory):
    """Run folders of a training left alone and of one that was killed; neither has a name."""
    folder, found = tmp_path_factory.mktemp("torchrun"), {}
    for life in ("alone", "killed"):
        words = [word for word in toy.arguments(folder / life) if word != "name=toy"]
        done = subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2",
                "--max-restarts=2", f"--master-port={free_port()}",
                "-m", "tests.cli.killed_in_step", life, "train", *words,
            ],
            cwd=repository, capture_output=True, text=True, check=False, timeout=600,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        found[life] = (*(folder / life / "runs").iterdir(), done.stdout)
    return found


def test_the_run_goes_on_where_it_was(runs):
    folder, said = runs["killed"]  # one folder, although the name is made of the time
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
