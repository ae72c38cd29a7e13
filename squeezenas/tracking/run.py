"""The run folder: config, provenance, metrics, checkpoints and results of one run.

A process killed at any instant can be resumed to the same files: `metrics.jsonl` holds nothing that
depends on time, and a checkpoint knows how long it was.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from squeezenas.core.config import Tracking
from squeezenas.core.files import to_yaml
from squeezenas.tracking.environment import environment
from squeezenas.tracking.files import JsonLines, cannot_write, finite, write_text
from squeezenas.tracking.sink import Sink, Sinks, Start, sinks

Save = Callable[[Path, dict[str, Any]], None]
Load = Callable[[Path], dict[str, Any]]


class Run:
    """One run and its folder. Made by `create` or `open`; only the main process writes anything.

    Attributes:
        folder: the run folder.
        main: whether this is the process that writes (rank 0).
    """

    def __init__(self, start: Start, names: Sequence[str], main: bool) -> None:
        self.folder = start.folder
        self.main = main
        self._start, self._names = start, names
        self._step = 0
        self._metrics: JsonLines | None = None
        self._timing: JsonLines | None = None
        self._sinks: Sinks | None = None

    @classmethod
    def create(
        cls,
        folder: Path,
        config: Mapping[str, Any],
        names: Sequence[str] = (),
        *,
        steps: int,
        main: bool = True,
        wandb: Tracking | None = None,
    ) -> Run:
        """Makes the folder and starts.

        Args:
            folder: `runs/<name>`; absent or empty.
            config: the resolved config, plain types only.
            names: registered sinks.
            steps: steps of the whole run.
            main: whether this process writes.
            wandb: settings of W&B.

        Raises:
            ValueError: the folder holds something already, or a sink is unknown.
            OSError: the folder cannot be made.
        """
        run = cls(Start(folder, config, steps, wandb=wandb or Tracking()), _known(names), main)
        if main:
            make_folder(folder, config)
        run._begin({})
        return run

    @classmethod
    def open(
        cls,
        folder: Path,
        config: Mapping[str, Any],
        names: Sequence[str] = (),
        *,
        steps: int,
        main: bool = True,
        wandb: Tracking | None = None,
    ) -> Run:
        """A run to be resumed. `restore` comes next: it starts the files and sinks.

        Args:
            folder: the run folder.
            config: the config it goes on with; `config.yaml` keeps the one it was started with.
            names: registered sinks.
            steps: steps of the whole run.
            main: whether this process writes.
            wandb: settings of W&B.

        Raises:
            FileNotFoundError: `folder` is no run folder.
            ValueError: a sink is unknown.
        """
        if not (folder / "config.yaml").is_file():
            raise FileNotFoundError(
                f"{folder} is no run folder: it has no config.yaml; give --resume runs/<name>"
            )
        return cls(Start(folder, config, steps, wandb=wandb or Tracking()), _known(names), main)

    def _begin(self, position: Mapping[str, Any]) -> None:
        """Opens files and sinks where the checkpoint left them; `{}` is the very start."""
        self._step = int(position.get("step", 0))
        if not self.main:
            return
        self._metrics = JsonLines(self.folder / "metrics.jsonl", position.get("metrics", 0))
        self._timing = JsonLines(self.folder / "timing.jsonl", position.get("timing", 0))
        states = position.get("sinks", {})
        start = replace(self._start, step=self._step)
        self._sinks = Sinks(self._names, lambda name: replace(start, state=states.get(name, {})))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds a line to `metrics.jsonl`; NaN is written as null.

        Args:
            metrics: named `group/metric`; nothing that depends on time or load.
            step: steps done so far; never falls.

        Raises:
            OSError: the line could not be written.
        """
        self._log(self._metrics, metrics, step)

    def log_timing(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds a line to `timing.jsonl`: seconds, images a second, memory. Otherwise as `log`."""
        self._log(self._timing, metrics, step)

    def _log(self, lines: JsonLines | None, metrics: Mapping[str, float], step: int) -> None:
        self._step = step
        if self.main:
            assert lines is not None, "restore() starts a run that was opened"
            lines.append({"step": step, **metrics})
            self._each(lambda sink: sink.log(metrics, step))

    def _each(self, show: Callable[[Sink], None]) -> None:
        if self._sinks is not None:
            self._sinks.each(show)

    def image(self, name: str, path: Path) -> None:
        """Shows a PNG file in the sinks."""
        self._each(lambda sink: sink.image(name, path, self._step))

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes `<name>.csv` and shows it in the sinks.

        Raises:
            OSError: the file could not be written.
        """
        if not self.main:
            return
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.folder / f"{name}.csv", text.getvalue())
        self._each(lambda sink: sink.table(name, rows, self._step))

    def artifact(self, path: Path, kind: str) -> None:
        """Hands a file worth keeping to the sinks, such as `architecture.yaml`."""
        self._each(lambda sink: sink.artifact(path, kind))

    def write_text(self, name: str, text: str) -> Path:
        """Writes a file of the run folder in one step and says where.

        Raises:
            OSError: the file could not be written.
        """
        path = self.folder / name
        if self.main:
            write_text(path, text)
        return path

    def checkpoint(self, state: Mapping[str, Any], save: Save) -> None:
        """Keeps `state` as `checkpoints/last.pt`; the one before becomes `previous.pt`.

        Args:
            state: all that `restore` shall give back.
            save: how a state is written in one step (`squeezenas.engine.checkpoint`).

        Raises:
            OSError: it could not be written; the old checkpoint stays.
        """
        if not self.main:
            return
        assert self._metrics is not None, "restore() starts a run that was opened"
        assert self._timing is not None
        assert self._sinks is not None
        position = {
            "step": self._step,
            "metrics": self._metrics.size(),
            "timing": self._timing.size(),
            "sinks": self._sinks.states(),
        }
        folder = self.folder / "checkpoints"
        folder.mkdir(exist_ok=True)
        save(folder / "next.pt", {**state, "run": position})
        # Between these two lines there is no last.pt: then restore() reads previous.pt.
        if (folder / "last.pt").exists():
            os.replace(folder / "last.pt", folder / "previous.pt")
        os.replace(folder / "next.pt", folder / "last.pt")

    def restore(self, load: Load) -> dict[str, Any] | None:
        """Goes back to the last checkpoint: cuts the metrics to its length and starts the sinks.

        Args:
            load: reads what `save` wrote; raises ValueError when the file is damaged.

        Returns:
            The state, or None when the run has no checkpoint yet and starts anew.

        Raises:
            ValueError: no checkpoint can be read, or a metrics file was changed.
        """
        state = self._newest_checkpoint(load)
        position = state.pop("run", None) if state else {}
        if position is None:
            raise ValueError(f"the checkpoint in {self.folder} was not written by a run")
        self._begin(position)
        if self.main:
            path = self.folder / "environment.json"
            before = json.loads(path.read_text()) if path.is_file() else []
            write_text(path, json.dumps([*before, environment()], indent=2) + "\n")
        return state

    def _newest_checkpoint(self, load: Load) -> dict[str, Any] | None:
        folder = self.folder / "checkpoints"
        broken: ValueError | None = None
        for path in (folder / "last.pt", folder / "previous.pt"):
            if not path.exists():
                continue
            try:
                state = load(path)
            except ValueError as error:
                broken = broken or error
                continue
            if broken and self.main:
                warnings.warn(f"{broken}; continuing from {path}", stacklevel=3)
                # Out of the way: it must not become previous.pt and replace the good one.
                os.replace(folder / "last.pt", folder / "damaged.pt")
            return state
        if broken:
            raise broken
        return None

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Writes `summary.json` and ends the sinks.

        Raises:
            OSError: the file could not be written.
        """
        if self.main:
            text = json.dumps(finite(summary), indent=2, allow_nan=False)
            write_text(self.folder / "summary.json", text + "\n")
            self._end(summary)

    def _end(self, summary: Mapping[str, Any] | None) -> None:
        self._each(lambda sink: sink.finish(summary))
        for lines in (self._metrics, self._timing):
            if lines is not None:
                lines.close()
        self._sinks = None

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the sinks of a run that did not reach `finish`."""
        self._end(None)


def _known(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        sinks[name]
    return names


def make_folder(folder: Path, config: Mapping[str, Any]) -> None:
    """Makes a run folder with its `config.yaml` and `environment.json`.

    It is filled beside `folder` and renamed, so a killed process leaves no half of one.

    Raises:
        ValueError: the folder holds something already.
        OSError: it cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"{folder} holds something already; choose another name=, or continue that run with "
            f"--resume {folder}"
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        _or_sentence(folder, lambda: partial.mkdir(parents=True))
        write_text(partial / "environment.json", json.dumps([environment()], indent=2) + "\n")
        write_text(partial / "config.yaml", to_yaml(dict(config)))
        _or_sentence(folder, lambda: os.replace(partial, folder))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _or_sentence(path: Path, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:
        raise cannot_write(path, error) from error
