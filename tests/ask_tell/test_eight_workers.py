"""Eight processes share a study and three are killed: nothing is lost, nothing counts twice."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest

from squeezenas.ask_tell.storage import open_storage
from tests.ask_tell.postgresql import server
from tests.ask_tell.toy import trials, value

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
BUDGETS = {"journal": 80, "sqlite": 20, "postgresql": 20}


@pytest.mark.parametrize("kind", BUDGETS)
def test_the_budget_is_met_exactly(kind, tmp_path, repository):
    budget = BUDGETS[kind]
    with ExitStack() as stack:
        # Of its own, because a socket's path must be short; in memory, where syncing is free.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        storage = {"journal": f"journal:{folder}/trials", "sqlite": f"sqlite:///{folder}/trials"}
        storage = storage.get(kind) or stack.enter_context(server(folder))
        done = subprocess.run(
            [sys.executable, "-m", "tests.ask_tell.eight_workers", storage, tmp_path,
             str(budget), "0"],
            cwd=repository,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        check(storage, tmp_path, budget, victims=done.stdout.split())


def check(storage, folder, budget, victims):
    opened = open_storage(storage, folder)
    records = trials(opened, budget=budget).records()
    assert len(records) == len({record.number for record in records}) == budget
    assert {record.state for record in records} == {"complete"}
    study = optuna.load_study(study_name="toy", storage=opened)
    states = Counter(trial.state.name for trial in study.trials)
    assert states["COMPLETE"] == budget
    assert not states["RUNNING"]
    assert study.best_value == max(value(record.architecture) for record in records)
    assert [trial.number for trial in study.trials] == list(range(sum(states.values())))

    lines = {
        log.stem: [line.split(" ", 2) for line in log.read_text().splitlines()]
        for log in folder.glob("*.log")
    }
    written = [(int(n), picks) for log in lines.values() for kind, n, picks in log
               if kind == "finished"]  # fmt: skip
    found = {(record.number, str(record.architecture.picks)) for record in records}
    assert len(written) == len(set(written))
    assert set(written) <= found
    cut = {
        (int(log[-1][1]), log[-1][2]) for name, log in lines.items()
        if name in victims and log and log[-1][0] == "begun"
    }  # fmt: skip
    # A victim may have died between writing its result and noting so; else another took over.
    assert {item[1] for item in cut} <= {item[1] for item in found}
    assert found - set(written) <= cut
    # Each architecture that was begun is among the results, each for one slot.
    started = {picks for log in lines.values() for kind, _, picks in log if kind == "begun"}
    assert started == {picks for _, picks in found}
    assert len({record.notes["asked"] for record in records}) == budget
