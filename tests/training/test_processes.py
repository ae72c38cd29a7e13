"""Two processes are one: the same gradients, weights and figures as with the joined batch."""

import json
import os
import subprocess
import sys

import pytest
import torch

from tests.search.forks import free_port
from tests.training import toy
from tests.training.steps_together import CASES


def program(repository, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def states(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    program(repository, "-m", "tests.training.steps_together", folder)
    return {
        tuple(path.stem.split("-")): torch.load(path, weights_only=True)
        for path in folder.glob("*.pt")
    }


def assert_equal(one, two):
    close = {"rtol": 2e-3, "atol": 2e-5}
    for part in ("network", "average"):
        assert list(one[part]) == list(two[part])
        for key, tensor in one[part].items():
            torch.testing.assert_close(
                two[part][key], tensor, **close, msg=lambda m, k=key: f"{k}: {m}"
            )
    # Without clipping these are sums of gradients, so that a wrong scale would show.
    for number, values in one["optimiser"]["state"].items():
        momenta = values["momentum_buffer"], two["optimiser"]["state"][number]["momentum_buffer"]
        torch.testing.assert_close(momenta[1], momenta[0], rtol=5e-3, atol=2e-4)
    for before, after in zip(one["metrics"], two["metrics"], strict=True):
        assert after == pytest.approx(before, rel=1e-3)
    assert torch.equal(one["counts"].sum(), two["counts"].sum())
    assert two["figures"] == pytest.approx(one["figures"], abs=0.01, nan_ok=True)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_does(states, case):
    assert_equal(states[case, "1"], states[case, "2"])


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_batch_in_parts_is_the_whole_batch(states, processes):
    assert_equal(states["whole", "1"], states["in_parts", processes])


def test_the_cases_are_different_and_learn_something(states):
    """The comparisons above would also pass if nothing happened."""
    assert states["segmentation", "1"]["metrics"] != states["ohem", "1"]["metrics"]
    for case in CASES:
        state = states[case, "1"]
        momenta = [values["momentum_buffer"] for values in state["optimiser"]["state"].values()]
        assert max(momentum.abs().max() for momentum in momenta) > 0.01
        assert state["metrics"][0]["train/loss"] != state["metrics"][1]["train/loss"]


def test_torchrun_writes_one_run_folder(repository, tmp_path):
    done = program(
        repository, "-m", "torch.distributed.run",
        "--nproc-per-node=2", f"--master-port={free_port()}", "-m", "tests.training.toy_training",
        *toy.arguments(tmp_path, "checkpoint_minutes=0", ".ema=0.9"),
    )  # fmt: skip
    assert "(2 processes)" in done.stdout
    assert done.stdout.count("model card: ") == 1
    assert "Grad strides" not in done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["toy"]
    folder = tmp_path / "runs" / "toy" / "1-street_scenes"
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]
    assert json.loads((folder / "summary.json").read_text())["figures"]["miou"] >= 0
