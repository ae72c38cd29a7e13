from __future__ import annotations

import csv
import json
import math
import multiprocessing
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from squeezenas.engine.checkpoint import (
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from squeezenas.tracking.run import Run

STEPS = 40


def a_search(folder: Path) -> None:
    """Logs random numbers and checkpoints every third step; continues when the folder is there."""
    state = None
    if folder.exists():
        run = Run.open(folder, {}, steps=STEPS)
        state = run.restore(load_checkpoint)
    else:
        run = Run.create(folder, {"seed": 3}, steps=STEPS)
    if state is None:
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(3)
        state = {"step": 0, "weights": torch.zeros(20_000)}
    else:
        restore_random_states(state["random"])
    weights = state["weights"]
    for step in range(state["step"] + 1, STEPS + 1):
        weights += torch.randn(len(weights))
        draws = {"a": random.random(), "b": np.random.rand(), "c": weights.sum()}
        run.log(draws, step)
        run.log_timing({"seconds": time.monotonic()}, step)
        if step % 3 == 0 or step == STEPS:
            run.checkpoint(
                {"step": step, "weights": weights, "random": random_states()}, save_checkpoint
            )
    run.finish({"total": weights.sum()})


def result(folder: Path) -> tuple[bytes, bytes, int, list[float]]:
    state = load_checkpoint(folder / "checkpoints" / "last.pt")
    timing = (folder / "timing.jsonl").read_text().splitlines()
    files = (folder / "metrics.jsonl").read_bytes(), (folder / "summary.json").read_bytes()
    return *files, len(timing), state["weights"].tolist()


def test_killed_at_random_moments_resumes_to_identical_files(tmp_path: Path) -> None:
    began = time.monotonic()
    a_search(tmp_path / "whole")
    whole = time.monotonic() - began
    expected = result(tmp_path / "whole")
    folder, kills, rng = tmp_path / "killed", 0, random.Random(1)
    context = multiprocessing.get_context("fork")
    for _ in range(200):
        child = context.Process(target=a_search, args=(folder,))
        child.start()
        if kills < 10:
            child.join(rng.uniform(0, whole / 2))
            child.kill()
        child.join()
        if child.exitcode == 0:
            break
        kills += 1
    assert kills >= 1
    assert result(folder) == expected


def test_a_line_cut_by_a_kill_is_written_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "r", {}, steps=5)
    run.log({"x": 0.1}, 1)
    run.checkpoint({"step": 1}, save_checkpoint)
    run.log({"x": 0.2}, 2)
    metrics = tmp_path / "r" / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-7])
    again = Run.open(tmp_path / "r", {}, steps=5)
    assert again.restore(load_checkpoint) == {"step": 1}
    again.log({"x": 0.2}, 2)
    assert metrics.read_text() == '{"step": 1, "x": 0.1}\n{"step": 2, "x": 0.2}\n'


def test_no_checkpoint_starts_anew(tmp_path: Path) -> None:
    Run.create(tmp_path / "r", {}, steps=5).log({"x": 1.0}, 1)
    run = Run.open(tmp_path / "r", {}, steps=5)
    assert run.restore(load_checkpoint) is None
    assert (tmp_path / "r" / "metrics.jsonl").read_bytes() == b""


def test_damaged_checkpoint_falls_back_and_never_replaces_the_good_one(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "r", {}, steps=5)
    for step in (1, 2):
        run.log({"x": 1.0}, step)
        run.checkpoint({"step": step}, save_checkpoint)
    checkpoints = tmp_path / "r" / "checkpoints"
    (checkpoints / "last.pt").write_bytes(b"cut")
    other_rank = Run.open(tmp_path / "r", {}, steps=5, main=False)
    assert other_rank.restore(load_checkpoint) == {"step": 1}
    again = Run.open(tmp_path / "r", {}, steps=5)
    with pytest.warns(UserWarning, match=r"last\.pt is damaged.*continuing from .*previous\.pt"):
        assert again.restore(load_checkpoint) == {"step": 1}
    assert len((tmp_path / "r" / "metrics.jsonl").read_text().splitlines()) == 1
    again.log({"x": 1.0}, 2)
    again.checkpoint({"step": 2}, save_checkpoint)
    assert load_checkpoint(checkpoints / "previous.pt")["step"] == 1
    for name in ("last.pt", "previous.pt"):
        (checkpoints / name).write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"last\.pt is damaged"):
        Run.open(tmp_path / "r", {}, steps=5).restore(load_checkpoint)


def test_shortened_metrics_are_not_padded(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "r", {}, steps=5)
    run.log({"x": 1.0}, 1)
    run.checkpoint({}, save_checkpoint)
    (tmp_path / "r" / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"metrics\.jsonl has 0 bytes where the checkpoint"):
        Run.open(tmp_path / "r", {}, steps=5).restore(load_checkpoint)


def test_folder_holds_config_and_provenance(tmp_path: Path) -> None:
    config = {"seed": 1, "regime": {"cost": {"target": 1e-05}, "crop": [96, 192]}, "a": None}
    folder = tmp_path / "runs" / "name"
    with Run.create(folder, config, steps=1):
        pass
    assert yaml.safe_load((folder / "config.yaml").read_text()) == config
    (environment,) = json.loads((folder / "environment.json").read_text())
    assert environment["libraries"]["torch"] == torch.__version__
    assert environment["threads"] == torch.get_num_threads()
    assert os.uname().nodename not in environment.values()
    assert list(folder.parent.iterdir()) == [folder]
    run = Run.open(folder, {}, steps=1)
    run.restore(load_checkpoint)
    assert len(json.loads((folder / "environment.json").read_text())) == 2


def test_metrics_round_trip_and_nan_is_null(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "r", {}, steps=1)
    values = {"a": 0.1 + 0.2, "b": math.nan, "c": -math.inf, "d": 7}
    run.log({**values, "e": np.float32(0.1), "f": torch.tensor(2.5)}, 1)
    record = json.loads((tmp_path / "r" / "metrics.jsonl").read_text())
    assert record == {
        "step": 1,
        "a": 0.1 + 0.2,
        "b": None,
        "c": None,
        "d": 7,
        "e": float(np.float32(0.1)),
        "f": 2.5,
    }


def test_table_is_csv(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "r", {}, steps=1)
    run.table("candidates", [{"cost": 1.5, "text": "a,b"}, {"cost": 2, "chosen": True}])
    with (tmp_path / "r" / "candidates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"cost": "1.5", "text": "a,b", "chosen": ""}
    assert rows[1] == {"cost": "2", "text": "", "chosen": "True"}


def test_other_ranks_write_nothing(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "r", {}, ["console"], steps=1, main=False)
    run.log({"x": 1.0}, 1)
    run.log_timing({"x": 1.0}, 1)
    run.table("t", [{"a": 1}])
    run.write_text("f", "text")
    run.checkpoint({}, save_checkpoint)
    run.finish({})
    assert not (tmp_path / "r").exists()


def test_taken_folder(tmp_path: Path) -> None:
    Run.create(tmp_path, {}, steps=1)
    with pytest.raises(
        ValueError, match=r"holds something already; choose another name=.*--resume"
    ):
        Run.create(tmp_path, {}, steps=1)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is no run folder: it has no config\.yaml"):
        Run.open(tmp_path / "none", {}, steps=1)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*file/r: Not a directory; .*runs="):
        Run.create(tmp_path / "file" / "r", {}, steps=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=r"cannot write .*r: Permission denied"):
            Run.create(tmp_path / "r", {}, steps=1)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(tmp_path: Path) -> None:
    Run.create(tmp_path / "r", {}, steps=1)
    (tmp_path / "r" / "metrics.jsonl").unlink()
    (tmp_path / "r" / "metrics.jsonl").symlink_to("/dev/full")
    run = Run.open(tmp_path / "r", {}, steps=1)
    run.restore(load_checkpoint)
    with pytest.raises(
        OSError, match=r"cannot write .*metrics\.jsonl: No space left on device; free"
    ):
        run.log({"x": 1.0}, 1)
