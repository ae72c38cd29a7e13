"""What TensorBoard gets, read back by TensorBoard."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from squeezenas.engine.checkpoint import load_checkpoint, save_checkpoint
from squeezenas.tracking.run import Run
from tests.tracking.toy_space import ROWS, SPACE

CONFIG = {"seed": 5, "storage": "mysql://u:hunter2@h/d", "regime": {"lr": 0.1, "crop": [96, 192]}}


def events(folder: Path) -> Any:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "images": 0})
    found.Reload()
    return found


def text(found: Any, tag: str) -> str:
    (event,) = found.Tensors(f"{tag}/text_summary")
    return event.tensor_proto.string_val[0].decode()


def test_event_files_hold_what_the_run_folder_holds(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = tmp_path / "r"
    with Run.create(folder, CONFIG, ["tensorboard"], steps=4) as run:
        for step in range(1, 5):
            run.log({"search/loss": 1 / step, "search/miou": math.nan, "search/lr": 1e-7}, step)
            if step % 2 == 0:
                run.distribution(ROWS["undecided"], SPACE)
        run.table("classes", [{"class": "a|b", "iou": 0.123456789}, {"class": "c", "iou": None}])
        run.artifact("architecture", run.write_text("architecture.yaml", "name: x\n"))
        run.artifact("model", run.write_text("w.safetensors", "\0\xff"))
        cv2.imwrite(str(folder / "curves.png"), np.full((4, 6, 3), 255, np.uint8))
        run.image("curves", folder / "curves.png")
        run.finish({"chosen": {"miou": 0.5, "kind": "argmax"}, "done": True})
    found = events(folder)

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for key in ("search/loss", "search/miou", "search/lr"):
        shown = [(event.step, event.value) for event in found.Scalars(key)]
        kept = [(line["step"], np.float32(line[key] or math.nan)) for line in lines]
        np.testing.assert_array_equal(shown, kept)
    assert [event.step for event in found.Images("distribution")] == [2, 4]
    (curves,) = found.Images("curves")
    assert (curves.height, curves.width) == (4, 6)
    assert "seed: 5" in text(found, "config")
    assert "storage: mysql://u:***@h/d" in text(found, "config")
    assert "group: r" in text(found, "lineage")
    assert "| a\\|b | 0.123457 |\n| c |  |" in text(found, "classes")
    assert "name: x" in text(found, "architecture/architecture.yaml")
    assert '"kind": "argmax"' in text(found, "summary")
    (value,) = found.Scalars("summary/chosen.miou")
    assert value.value == 0.5
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= set(found.summary_metadata)
    written = b"".join(path.read_bytes() for path in folder.glob("tensorboard/*"))
    assert b"hunter2" not in written


def test_a_resumed_run_hides_what_followed_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with Run.create(tmp_path / "r", {}, ["tensorboard"], steps=4) as run:
        run.log({"search/loss": 3.0}, 1)
        run.checkpoint({}, save_checkpoint)
        run.log({"search/loss": 2.0}, 2)
        run.log({"search/loss": 1.0}, 3)
    with Run.open(tmp_path / "r", CONFIG, ["tensorboard"], steps=4) as run:
        run.restore(load_checkpoint)
        run.log({"search/loss": 2.0}, 2)
        run.finish({"miou": 0.5})
    shown = [(event.step, event.value) for event in events(tmp_path / "r").Scalars("search/loss")]
    assert shown == [(1, 3.0), (2, 2.0)]
