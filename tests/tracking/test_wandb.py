"""What W&B gets, read back from the files of offline runs."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from squeezenas.core.config import Tracking
from squeezenas.core.recipes import load_dataset
from squeezenas.engine.checkpoint import load_checkpoint, save_checkpoint
from squeezenas.tracking.files import finite
from squeezenas.tracking.lineage import Lineage
from squeezenas.tracking.run import Run
from tests.tracking import wandb_files
from tests.tracking.toy_space import ROWS, SPACE

CONFIG = {
    "seed": 5,
    "storage": "postgresql://user:hunter2@host/db",
    "regime": {"lr": 0.1, "api_key": "hunter2"},
}
SETTINGS = Tracking(project="p", tags=["t"])
PAGE = "<!doctype html><title>report</title>"


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, whose service is ended, with everything written, when the test is done."""
    library = pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_RUN_ID", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "of_wandb"))
    yield library
    library.teardown()


def a_run(folder: Path) -> None:
    """A search that is stopped after two steps, resumed, and shows one of everything."""
    run = Run.create(folder, CONFIG, ["wandb"], steps=4, wandb=SETTINGS)
    with run:
        run.log({"search/loss": 0.5, "search/bad_steps": 0}, 1)
        run.checkpoint({}, save_checkpoint)
    card = load_dataset(["datasets=street_scenes"])
    pixels = np.stack([np.full((8, 8), value, np.uint8) for value in (0, 5)])
    with Run.open(folder, CONFIG, ["wandb"], steps=4, wandb=SETTINGS) as run:
        run.restore(load_checkpoint)
        run.log({"search/loss": math.nan, "search/bad_steps": 1}, 2)
        run.log({"search/loss": 0.25, "search/bad_steps": 1}, 3)
        run.log({"search/loss": 0.125, "search/bad_steps": 1, "search/miou": 0.3}, 4)
        run.distribution(ROWS["undecided"], SPACE)
        run.table("candidates", [{"cost": 1, "miou": 0.5, "text": "a"}, {"cost": 2.5, "text": "b"}])
        run.artifact("architecture", run.write_text("architecture.yaml", "name: x\n"))
        cv2.imwrite(str(folder / "curves.png"), np.zeros((4, 4, 3), np.uint8))
        run.image("curves", folder / "curves.png")
        run.segments("report", np.stack([pixels] * 3, 3), pixels, pixels + 1, card)
        run.finish({"chosen": {"miou": 0.5}, "error": "no postgresql://user:hunter2@host/db"})
        run.page("report", run.write_text("report.html", PAGE))


def test_offline_files_hold_what_the_run_folder_holds(
    tmp_path: Path, wandb: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["search.py", "token=hunter2"])
    folder = tmp_path / "r"
    a_run(folder)
    wandb.teardown()
    assert capsys.readouterr().err == ""
    found = wandb_files.records(folder)

    runs = [record.run for record in found if record.HasField("run")]
    kept = json.loads((folder / "tracking.json").read_text())
    assert {run.run_id for run in runs} == {kept["sinks"]["wandb"]["id"]}
    assert {(run.project, run.run_group, run.job_type) for run in runs} == {("p", "r", "search")}
    assert {tuple(run.tags) for run in runs} == {("t",)}

    logged = wandb_files.history(found)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    shown = [{"step": step, **{k: logged[step][k] for k in line if k != "step"}}
             for step, line in enumerate(lines, 1)]  # fmt: skip
    assert finite(shown) == lines

    told = wandb_files.config(found)
    assert told["regime"] == {"lr": 0.1, "api_key": "***"}
    assert told["storage"] == "postgresql://user:***@host/db"
    assert told["lineage"]["job"] == "search"
    assert told["environment"]["command"] == ["search.py", "token=***"]
    results = wandb_files.summary(found)
    assert results["chosen"] == {"miou": 0.5}
    assert results["error"] == "no postgresql://user:***@host/db"

    last = logged[4]
    files = folder / "wandb"
    assert last["pages/report.sha256"]
    (page,) = files.rglob("report_4_*.html")
    assert page.read_text() == PAGE
    (table,) = files.rglob("candidates_4_*.table.json")
    assert json.loads(table.read_text())["data"] == [[1, 0.5, "a"], [2.5, None, "b"]]
    (heat_map,) = files.rglob("distribution_4_*.png")
    assert cv2.imread(str(heat_map)).shape == (3 * 12, 4 * 12, 3)
    assert len(list(files.rglob("report_4_*.mask.png"))) == 4

    (artifact,) = (r.artifact for r in found if r.artifact.type == "architecture")
    assert artifact.name == "r-architecture"
    assert {*artifact.aliases} == {"latest", runs[0].run_id}
    (content,) = artifact.manifest.contents
    assert (content.path, content.size) == ("architecture.yaml", len("name: x\n"))

    (alert,) = (record.alert for record in found if record.HasField("alert"))
    assert alert.title == "a loss or its gradients are not finite"
    assert [alert["step"] for alert in kept["alerts"]] == [2]
    endings = [record.exit.exit_code for record in found if record.HasField("exit")]
    assert endings == [1, 0]
    assert [record.HasField("preempting") for record in found].count(True) == 1

    written = b"".join(path.read_bytes() for path in files.rglob("*.wandb"))
    assert b"hunter2" not in written
    assert socket.gethostname().encode() + b'"' not in written
    assert not list(files.rglob("wandb-metadata.json"))


def test_a_retraining_is_in_the_group_of_its_search_and_fails_as_such(
    tmp_path: Path, wandb: Any
) -> None:
    search = {"wandb": {"id": "abc", "artifact": "p/found-architecture:abc"}}
    lineage = Lineage("train", "found", "found", "0" * 64, search)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "config.yaml").write_text("{}")  # a run with stages
    folder = tmp_path / "again" / "1-camvid"
    run = Run.create(folder, {}, ["wandb"], steps=4, wandb=SETTINGS, lineage=lineage)
    run.artifact("model", run.write_text("model.yaml", "a: 1"), run.write_text("w.bin", "b"))
    with pytest.raises(ValueError, match="all is lost"), run:
        raise ValueError("all is lost")
    wandb.teardown()
    found = wandb_files.records(folder)
    (record,) = (record.run for record in found if record.HasField("run"))
    assert record.display_name == "again/1-camvid"
    assert (record.run_group, record.job_type) == ("found", "train")
    assert wandb_files.config(found)["lineage"]["search"] == search
    (artifact,) = (r.artifact for r in found if r.artifact.type == "model")
    assert artifact.name == "again-1-camvid-model"
    assert {c.path for c in artifact.manifest.contents} == {"model.yaml", "w.bin"}
    (alert,) = (record.alert for record in found if record.HasField("alert"))
    assert (alert.title, alert.text, alert.level) == (
        "again/1-camvid failed", "all is lost", "ERROR",
    )  # fmt: skip
    assert [record.exit.exit_code for record in found if record.HasField("exit")] == [1]


class FakeRun(SimpleNamespace):
    """What the sink needs of an online run."""

    id, entity, project = "id", "me", "p"

    def use_artifact(self, name: str) -> None:
        self.used.append(name)
        if self.unknown:
            raise ValueError("artifact\nnot found")

    def finish(self, exit_code: int) -> None:
        self.exit_code = exit_code


@pytest.mark.parametrize("unknown", [False, True])
def test_online_the_architecture_of_the_search_is_used(
    tmp_path: Path, wandb: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], unknown: bool,
) -> None:  # fmt: skip
    run = FakeRun(used=[], unknown=unknown, summary={})
    monkeypatch.setattr(wandb, "init", lambda **_: run)
    name = "me/p/found-architecture:abc"
    lineage = Lineage("train", "found", "found", "0" * 64, {"wandb": {"artifact": name}})
    online = Tracking(mode="online")
    with Run.create(tmp_path / "r", {}, ["wandb"], steps=1, wandb=online, lineage=lineage) as main:
        main.finish({"miou": 0.5})
    assert run.summary == {"miou": 0.5}
    assert run.exit_code == 0
    assert run.used == [name]
    said = capsys.readouterr().err
    assert (f"W&B does not know {name}" in said) is unknown
    assert "switched off" not in said


def test_without_a_key_the_run_is_kept_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wandb: Any
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    settings = Tracking(mode="online")
    with Run.create(tmp_path / "r", {}, ["wandb"], steps=4, wandb=settings) as run:
        run.log({"x": 1.0}, 1)
        run.finish({})
    wandb.teardown()
    (line,) = (s for s in capsys.readouterr().err.splitlines() if s.startswith("W&B does not"))
    assert line.endswith(f"; it is kept offline in {tmp_path / 'r' / 'wandb'}, for `wandb sync`")
    history = [
        record for record in wandb_files.records(tmp_path / "r") if record.HasField("history")
    ]
    assert len(history) == 1
    assert (tmp_path / "r" / "summary.json").exists()


DYING = """
import os, signal, sys
from pathlib import Path
from squeezenas.tracking.run import Run


def is_service(process):
    try:
        status, command = (process / "status").read_text(), (process / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False
    return f"PPid:\\t{os.getpid()}\\n" in status and b"wandb-core" in command


folder = Path(sys.argv[1])
with Run.create(folder, {}, ["wandb"], steps=3) as run:
    run.log({"x": 1.0}, 1)
    (service,) = filter(is_service, Path("/proc").glob("[0-9]*"))
    os.kill(int(service.name), signal.SIGKILL)
    for step in (2, 3):
        run.log({"x": 1.0}, step)
    run.finish({})
print("done")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_service_that_dies_takes_nothing_with_it(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    environment = {**os.environ, "WANDB_DATA_DIR": str(tmp_path)}
    environment.pop("WANDB_SERVICE", None)
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path / "r")],
        capture_output=True, text=True, timeout=600, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert done.stderr.count("tracking with wandb is switched off: ") == 1
    assert "Traceback" not in done.stderr
    assert len((tmp_path / "r" / "metrics.jsonl").read_text().splitlines()) == 3
    assert (tmp_path / "r" / "summary.json").exists()
