from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from squeezenas.core.config import Tracking
from squeezenas.engine.checkpoint import load_checkpoint, save_checkpoint
from squeezenas.tracking.run import Run
from squeezenas.tracking.sink import Sink, Start, sinks

CONFIG = {"seed": 5, "regime": {"cost": {"target": 3.0}}}


def test_a_failing_sink_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Sink):
        def log(self, metrics: Mapping[str, float], step: int) -> None:
            raise ConnectionError("no\nnetwork")

    class Refused(Sink):
        def __init__(self, start: Start) -> None:
            raise RuntimeError("no key")

    monkeypatch.setitem(sinks._entries, "broken", Broken)
    monkeypatch.setitem(sinks._entries, "refused", Refused)
    run = Run.create(tmp_path / "r", {}, ["refused", "broken"], steps=3)
    for step in (1, 2, 3):
        run.log({"x": 1.0}, step)
    run.finish({})
    assert capsys.readouterr().err == (
        "tracking with refused is switched off: no key\n"
        "tracking with broken is switched off: no network\n"
    )
    assert len((tmp_path / "r" / "metrics.jsonl").read_text().splitlines()) == 3


def test_unknown_sink_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown tracking sink 'wandd'.*'wandb'"):
        Run.create(tmp_path / "r", {}, ["wandd"], steps=3)
    assert not (tmp_path / "r").exists()


def test_plain_console_writes_a_line_every_five_per_cent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(tmp_path / "r", CONFIG, ["console"], steps=200)
    for step in range(1, 201):
        run.log({"search/loss": 2 - step / 200, "architecture/expected_cost": 3.5}, step)
        if step == 100:
            run.log({"search/miou": 0.25}, step)
    run.finish({})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20
    assert lines[0].startswith("   5%  step 10/200  loss 1.950  cost 3.5 (target 3)  ")
    assert "mIoU 25.0%" in lines[-1]
    assert lines[-1].endswith("00:00 left")


def test_live_console_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    run = Run.create(tmp_path / "r", CONFIG, ["console"], steps=4)
    for step in range(1, 5):
        run.log({"search/loss": 1.5, "architecture/temperature": 0.5}, step)
    run.finish({})
    assert terminal.getvalue().count("\n") == 1
    assert "4/4  loss 1.500  temperature 0.50" in terminal.getvalue()


def wandb_records(log: bytes) -> Iterator[bytes]:
    """Records of a LevelDB log: blocks of 32 KiB of (crc, length, full|first|middle|last, data)."""
    position, record = 7, b""  # behind W&B's own header
    while position < len(log):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", log, position)
        record += log[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


def test_wandb_offline_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder, settings = tmp_path / "r", Tracking(project="p", mode="offline", tags=["t"])
    run = Run.create(folder, CONFIG, ["wandb"], steps=4, wandb=settings)
    run.log({"search/loss": 0.5}, 1)
    run.checkpoint({}, save_checkpoint)
    run.__exit__(None, None, None)
    again = Run.open(folder, CONFIG, ["wandb"], steps=4, wandb=settings)
    again.restore(load_checkpoint)
    again.log({"search/loss": 0.25}, 2)
    again.table("candidates", [{"cost": 1.0}])
    again.artifact(again.write_text("architecture.yaml", "name: x\n"), "architecture")
    again.finish({"miou": 0.5})

    ids, history, artifacts = set(), {}, []
    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        for data in wandb_records(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            if record.HasField("run"):
                ids.add(record.run.run_id)
                assert record.run.project == "p"
                assert list(record.run.tags) == ["t"]
                config = {item.key: item.value_json for item in record.run.config.update}
                assert config["seed"] == "5"
            for item in record.history.item:
                key = item.key or "/".join(item.nested_key)
                history[record.history.step.num, key] = item.value_json
            if record.request.log_artifact.artifact.type:
                artifacts.append(record.request.log_artifact.artifact.type)
            if record.artifact.type:
                artifacts.append(record.artifact.type)
    assert len(ids) == 1
    assert history[1, "search/loss"] == "0.5"
    assert history[2, "search/loss"] == "0.25"
    assert any(key.startswith("tables/candidates") for _, key in history)
    assert "architecture" in artifacts


def test_wandb_without_a_key_does_not_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    run = Run.create(tmp_path / "r", {}, ["wandb"], steps=4, wandb=Tracking(mode="online"))
    run.log({"x": 1.0}, 1)
    run.finish({})
    assert "tracking with wandb is switched off: " in capsys.readouterr().err
    assert (tmp_path / "r" / "summary.json").exists()


def test_tensorboard_hides_what_followed_the_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = Run.create(tmp_path / "r", {}, ["tensorboard"], steps=4)
    run.log({"search/loss": 3.0}, 1)
    run.checkpoint({}, save_checkpoint)
    run.log({"search/loss": 2.0}, 2)
    run.log({"search/loss": 1.0}, 3)
    run.__exit__(None, None, None)
    again = Run.open(tmp_path / "r", CONFIG, ["tensorboard"], steps=4)
    again.restore(load_checkpoint)
    again.log({"search/loss": 2.0}, 2)
    again.table("candidates", [{"cost": 1.0}])
    again.finish({"miou": 0.5})
    events = EventAccumulator(str(tmp_path / "r" / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("search/loss")]
    assert found == [(1, 3.0), (2, 2.0)]


def test_tracking_imports_neither_torch_nor_wandb() -> None:
    code = (
        "import sys, squeezenas.tracking.run; from squeezenas.tracking.sink import sinks; "
        "sinks.names(); print([m for m in ('torch', 'wandb', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
