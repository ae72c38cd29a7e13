from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from squeezenas.tracking.run import Run
from squeezenas.tracking.sink import Ending, Level, Sink, Start, sinks

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


@pytest.mark.parametrize(
    ("error", "told"),
    [(None, "done"), (KeyboardInterrupt(), "stopped"), (ValueError("no"), "failed")],
)
def test_sinks_outlive_the_summary_and_hear_how_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, told: str
) -> None:
    heard: list[object] = []

    class Listening(Sink):
        def summary(self, summary: Mapping[str, Any]) -> None:
            heard.append(dict(summary))

        def page(self, name: str, path: Path, step: int) -> None:
            heard.append((name, path.name, step))

        def alert(self, title: str, text: str, level: Level) -> None:
            heard.append((title, text, level))

        def finish(self, ending: Ending) -> None:
            heard.append(ending)

    monkeypatch.setitem(sinks._entries, "listening", Listening)
    with (
        pytest.raises(type(error)) if error else nullcontext(),
        Run.create(tmp_path / "r", {}, ["listening"], steps=3) as run,
    ):
        run.log({"x": 1.0}, 1)
        run.finish({"miou": 0.5})
        run.page("report", tmp_path / "report.html")
        if error:
            raise error
    alert = [("r failed", "no", "error")] if told == "failed" else []
    assert heard == [{"miou": 0.5}, ("report", "report.html", 1), *alert, told]


def test_a_run_without_results_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []

    class Listening(Sink):
        def finish(self, ending: Ending) -> None:
            heard.append(ending)

    monkeypatch.setitem(sinks._entries, "listening", Listening)
    with Run.create(tmp_path / "r", {}, ["listening"], steps=3):
        pass
    assert heard == ["stopped"]


def test_a_sink_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    released = Event()

    class Hanging(Sink):
        patience = 0.05

        def log(self, metrics: Mapping[str, float], step: int) -> None:
            released.wait()

        def abandon(self) -> None:
            raise RuntimeError("gone already")

    monkeypatch.setitem(sinks._entries, "hanging", Hanging)
    with Run.create(tmp_path / "r", {}, ["hanging"], steps=3) as run:
        for step in (1, 2, 3):
            run.log({"x": 1.0}, step)
        run.finish({})
    released.set()
    assert capsys.readouterr().err == (
        "tracking with hanging is switched off: no answer within 0.05 seconds\n"
    )
    assert len((tmp_path / "r" / "metrics.jsonl").read_text().splitlines()) == 3


def test_tracking_imports_neither_torch_nor_wandb() -> None:
    code = (
        "import sys, squeezenas.tracking.run; from squeezenas.tracking.sink import sinks; "
        "sinks.names(); print([m for m in ('torch', 'wandb', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
