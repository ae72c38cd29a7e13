"""Two processes are one: the same weights and architecture parameters as with the joined batch."""

import json
import os
import subprocess
import sys

import pytest
import torch

from squeezenas.core.model_card import read_model_card
from tests.search import toy
from tests.search.forks import free_port
from tests.search.steps_together import CASES


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
    program(repository, "-m", "tests.search.steps_together", folder)
    found = {
        tuple(path.stem.split("-")): torch.load(path, weights_only=True)
        for path in folder.glob("*.pt")
    }
    return {**found, ("lean", "1"): found["soft", "1"]}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_does(states, case):
    one, two = states[case, "1"], states[case, "2"]
    close = {"rtol": 2e-3, "atol": 2e-5}
    for part in ("supernet", "strategy"):
        left, right = one[part], two[part]
        if part == "strategy":
            left, right = left["logits"], right["logits"]
        assert list(left) == list(right)
        for key, tensor in left.items():
            torch.testing.assert_close(
                right[key], tensor, **close, msg=lambda m, k=key: f"{k}: {m}"
            )
    for before, after in zip(one["metrics"], two["metrics"], strict=True):
        assert after == pytest.approx(before, rel=1e-3)
    assert one["counts"].sum() == two["counts"].sum()
    assert two["miou"] == pytest.approx(one["miou"], abs=0.01)


def test_steps_changed_something(states):
    """The comparison above would also pass if nothing learned."""
    logits = states["soft", "1"]["strategy"]["logits"]
    assert all(row.abs().max() > 1e-3 for row in logits.values())


def test_torchrun_writes_one_run_folder(repository, tmp_path):
    done = program(
        repository, "-m", "torch.distributed.run",
        "--nproc-per-node=2", f"--master-port={free_port()}", "-m", "tests.search.toy_search",
        *toy.arguments(tmp_path, "checkpoint_minutes=0", "regime.epochs=2"),
    )  # fmt: skip
    assert "(2 processes)" in done.stdout
    assert done.stdout.count("chosen:") == 1
    assert "Grad strides" not in done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["toy"]
    folder = tmp_path / "runs" / "toy"
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]
    card = read_model_card(folder / "architecture.yaml")
    assert card.costs.gmacs <= 0.004
