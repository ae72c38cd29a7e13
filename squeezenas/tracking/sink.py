"""A sink shows a run somewhere else. One that fails is reported once and switched off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from squeezenas.core.config import Tracking
from squeezenas.core.registry import Registry
from squeezenas.tracking.lineage import Lineage

Ending = Literal["done", "stopped", "failed"]
"""How a run ends: with its results, by the user or the system, or by an error."""

Level = Literal["warning", "error"]


@dataclass(frozen=True)
class Start:
    """What a sink gets to know at the start. Secrets are struck out.

    Attributes:
        folder: the run folder.
        config: the resolved config.
        steps: steps of the whole run.
        lineage: what the run does, and with what it began.
        step: steps already done: 0 unless the run is resumed.
        wandb: settings of W&B.
        identity: how this sink's service knows the run that is resumed; empty in a new one.
    """

    folder: Path
    config: Mapping[str, Any]
    steps: int
    lineage: Lineage
    step: int = 0
    wandb: Tracking = field(default_factory=Tracking)
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`search`, or `training/1-stage`: a stage lies in its run's folder."""
        above = self.folder.parent
        staged = (above / "config.yaml").is_file()
        return f"{above.name}/{self.folder.name}" if staged else self.folder.name


@dataclass(frozen=True)
class Segments:
    """Images beside what is in them and what a network sees, all uint8.

    Attributes:
        images: RGB, shape `(N, H, W, 3)`.
        labels: train ids, shape `(N, H, W)`.
        predictions: train ids, shape `(N, H, W)`.
        names: of the train ids.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    predictions: NDArray[np.uint8]
    names: Mapping[int, str]


class Sink:
    """Does nothing with anything; a sink overrides what it can show. `step` never falls.

    Attributes:
        patience: seconds after which a call is given up; None where nothing can hang.
    """

    patience: float | None = None

    def __init__(self, start: Start) -> None:
        self.start = start

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics after `step` steps."""

    def image(self, name: str, path: Path, step: int) -> None:
        """A PNG file."""

    def segments(self, name: str, segments: Segments, step: int) -> None:
        """Images, labels and predictions, for a viewer that lays them over each other."""

    def heat_map(self, name: str, rows: Sequence[Sequence[float]], step: int) -> None:
        """Probabilities, a row a choice."""

    def table(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Rows of equal keys and plain values."""

    def page(self, name: str, path: Path, step: int) -> None:
        """An HTML file that needs no other."""

    def artifact(self, kind: str, paths: Sequence[Path]) -> None:
        """Files worth keeping together, as an `architecture` or a `model`."""

    def alert(self, title: str, text: str, level: Level) -> None:
        """Something that a person should look at."""

    def summary(self, summary: Mapping[str, Any]) -> None:
        """The results. Pages may follow."""

    def finish(self, ending: Ending) -> None:
        """The end."""

    def abandon(self) -> None:
        """Lets go of everything after a failure; nothing else is called any more."""

    def identity(self) -> dict[str, Any]:
        """How the sink's service knows this run, in plain values."""
        return {}


sinks: Registry[type[Sink]] = Registry("tracking sink", "squeezenas.tracking")


class Sinks:
    """The sinks of one run behind a guard: none may stop the run, by failing or by hanging."""

    def __init__(self, names: Sequence[str], start_of: Callable[[str], Start]) -> None:
        self._open: dict[str, Sink] = {}
        for name in names:
            kind = sinks[name]
            try:
                self._open[name] = kind(start_of(name))
            except Exception as error:
                _report(name, error)

    def each(self, show: Callable[[Sink], None]) -> None:
        """Calls `show` with every sink that still works."""
        for name, sink in list(self._open.items()):
            try:
                within(sink.patience, partial(show, sink))
            except Exception as error:
                del self._open[name]
                _report(name, error)
                with suppress(Exception):
                    within(sink.patience, sink.abandon)

    def identities(self) -> dict[str, dict[str, Any]]:
        """Identity by name of every sink that has one."""
        found = {name: sink.identity() for name, sink in self._open.items()}
        return {name: identity for name, identity in found.items() if identity}


def within(seconds: float | None, act: Callable[[], None]) -> None:
    """Acts, for so long at most.

    Raises:
        TimeoutError: it is not done by then; its thread is left behind, and ends with the process.
        Exception: what `act` raises.
    """
    if seconds is None:
        act()
        return
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    if raised:
        raise raised[0]


def _report(name: str, error: Exception) -> None:
    reason = " ".join(str(error).split()) or type(error).__name__
    print(f"tracking with {name} is switched off: {reason}", file=sys.stderr, flush=True)
