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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from squeezenas.core.config import Tracking
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.files import to_yaml
from squeezenas.core.space import SearchSpace
from squeezenas.tracking.alarms import Alarm, of_distribution, of_metrics
from squeezenas.tracking.environment import environment, read_environments
from squeezenas.tracking.files import JsonLines, cannot_write, finite, write_text
from squeezenas.tracking.lineage import Lineage
from squeezenas.tracking.record import TrackingRecord
from squeezenas.tracking.secrets import masked
from squeezenas.tracking.sink import Ending, Level, Segments, Sink, Sinks, Start, sinks

Save = Callable[[Path, dict[str, Any]], None]
Load = Callable[[Path], dict[str, Any]]
Bytes = NDArray[np.uint8]


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
        self._record: TrackingRecord | None = None
        self._finished = False

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
        lineage: Lineage | None = None,
    ) -> Run:
        """Makes the folder and starts.

        Args:
            folder: `runs/<name>`; absent or empty.
            config: the resolved config, plain types only.
            names: registered sinks.
            steps: steps of the whole run.
            main: whether this process writes.
            wandb: settings of W&B.
            lineage: what the run does, and with what it began; None: a search.

        Raises:
            ValueError: the folder holds something already, or a sink is unknown.
            OSError: the folder cannot be made.
        """
        run = cls(_start(folder, config, steps, wandb, lineage), _known(names), main)
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
        lineage: Lineage | None = None,
    ) -> Run:
        """A run to be resumed. `restore` comes next: it starts the files and sinks.

        Args:
            folder: the run folder.
            config: the config it goes on with; `config.yaml` keeps the one it was started with.
            names: registered sinks.
            steps: steps of the whole run.
            main: whether this process writes.
            wandb: settings of W&B.
            lineage: what the run does, and with what it began; None: a search.

        Raises:
            FileNotFoundError: `folder` is no run folder.
            ValueError: a sink is unknown.
        """
        if not (folder / "config.yaml").is_file():
            raise FileNotFoundError(
                f"{folder} is no run folder: it has no config.yaml; give --resume runs/<name>"
            )
        return cls(_start(folder, config, steps, wandb, lineage), _known(names), main)

    def _begin(self, position: Mapping[str, Any]) -> None:
        """Opens files and sinks where the checkpoint left them; `{}` is the very start."""
        self._step = int(position.get("step", 0))
        if not self.main:
            return
        self._metrics = JsonLines(self.folder / "metrics.jsonl", position.get("metrics", {}))
        self._timing = JsonLines(self.folder / "timing.jsonl", position.get("timing", {}))
        record = self._record = TrackingRecord(self.folder / "tracking.json")
        start = replace(self._start, step=self._step)
        self._sinks = Sinks(
            self._names, lambda name: replace(start, identity=record.sinks.get(name, {}))
        )
        record.learn(self._sinks.identities())

    @property
    def provenance(self) -> dict[str, Any]:
        """What a card that this run writes says of the run: its name, and how trackers know it."""
        name = {"run": self.folder.name}
        known = self._record.sinks if self._record else {}
        return {**name, "tracking": known} if known else name

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds a line to `metrics.jsonl`; NaN is written as null.

        Args:
            metrics: named `group/metric`; nothing that depends on time or load.
            step: steps done so far; never falls.

        Raises:
            OSError: the line could not be written.
        """
        self._log(self._metrics, metrics, step)
        self._raise(of_metrics(metrics, step))

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

    def _raise(self, alarms: Iterable[Alarm]) -> None:
        """Each kind once a run, however often it is resumed."""
        for alarm in alarms:
            if self._record and self._record.first(alarm, self._step):
                self._alert(alarm.title, alarm.text, "warning")

    def _alert(self, title: str, text: str, level: Level) -> None:
        self._each(lambda sink: sink.alert(title, masked(text), level))

    def distribution(
        self, probabilities: Mapping[str, Sequence[float]], space: SearchSpace
    ) -> None:
        """Shows what a search believes at the end of an epoch, and looks whether it collapses."""
        rows = list(probabilities.values())
        self._each(lambda sink: sink.heat_map("distribution", rows, self._step))
        progress = self._step / max(self._start.steps, 1)
        self._raise(of_distribution(probabilities, space, progress))

    def image(self, name: str, path: Path) -> None:
        """Shows a PNG file in the sinks."""
        self._each(lambda sink: sink.image(name, path, self._step))

    def segments(
        self, name: str, images: Bytes, labels: Bytes, predictions: Bytes, card: DatasetCard
    ) -> None:
        """Shows labels and predictions over the images, in the sinks that can.

        Args:
            name: of the pictures.
            images: RGB, shape `(N, H, W, 3)`.
            labels: train ids, shape `(N, H, W)`.
            predictions: train ids, shape `(N, H, W)`.
            card: their data set.
        """
        names = {**dict(enumerate(card.classes)), card.ignore_index: "ignored"}
        shown = Segments(images, labels, predictions, names)
        self._each(lambda sink: sink.segments(name, shown, self._step))

    def page(self, name: str, path: Path) -> None:
        """Shows an HTML file in the sinks."""
        self._each(lambda sink: sink.page(name, path, self._step))

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes `<name>.csv` and shows it in the sinks.

        Raises:
            OSError: the file could not be written.
        """
        if not self.main:
            return
        shown = masked(rows)
        columns = list(dict.fromkeys(key for row in shown for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(shown)
        write_text(self.folder / f"{name}.csv", text.getvalue())
        self._each(lambda sink: sink.table(name, shown, self._step))

    def artifact(self, kind: str, *paths: Path) -> None:
        """Hands files worth keeping together to the sinks: an `architecture`, a `model`."""
        self._each(lambda sink: sink.artifact(kind, paths))

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
        position = {
            "step": self._step,
            "metrics": self._metrics.position(),
            "timing": self._timing.position(),
        }
        folder = self.folder / "checkpoints"
        last = folder / "last.pt"
        _or_sentence(folder, lambda: folder.mkdir(exist_ok=True))
        save(folder / "next.pt", {**state, "run": position})
        # Between these two lines there is no last.pt: then restore() reads previous.pt.
        if last.exists():
            _or_sentence(last, lambda: os.replace(last, folder / "previous.pt"))
        _or_sentence(last, lambda: os.replace(folder / "next.pt", last))

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
            before = read_environments(path) if path.is_file() else []
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
        """Writes `summary.json` and shows it; the sinks end with the `with` block.

        Raises:
            OSError: the file could not be written.
        """
        if self.main:
            text = json.dumps(finite(summary), indent=2, allow_nan=False)
            write_text(self.folder / "summary.json", text + "\n")
            shown = masked(summary)
            self._each(lambda sink: sink.summary(shown))
            self._finished = True

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the sinks: the run is done, was stopped before it was, or failed."""
        ending: Ending = "done" if self._finished and not error else "stopped"
        if isinstance(error, Exception):
            ending = "failed"
            self._alert(f"{self._start.name} failed", str(error) or type(error).__name__, "error")
        self._each(lambda sink: sink.finish(ending))
        self._sinks = None
        for lines in (self._metrics, self._timing):
            if lines is not None:
                lines.close()


def _start(
    folder: Path,
    config: Mapping[str, Any],
    steps: int,
    wandb: Tracking | None,
    lineage: Lineage | None,
) -> Start:
    lineage = lineage or Lineage("search", folder.name)
    return Start(folder, masked(config), steps, lineage, wandb=wandb or Tracking())


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
