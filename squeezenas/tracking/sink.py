"""A sink shows a run somewhere else. One that fails is reported once and switched off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from squeezenas.core.config import Tracking
from squeezenas.core.registry import Registry


@dataclass(frozen=True)
class Start:
    """What a sink gets to know at the start.

    Attributes:
        folder: the run folder.
        config: the resolved config.
        steps: steps of the whole run.
        step: steps already done: 0 unless the run is resumed.
        wandb: settings of W&B.
        state: what this sink gave to the checkpoint that is resumed; empty in a new run.
    """

    folder: Path
    config: Mapping[str, Any]
    steps: int
    step: int = 0
    wandb: Tracking = field(default_factory=Tracking)
    state: Mapping[str, Any] = field(default_factory=dict)


class Sink:
    """Does nothing with anything; a sink overrides what it can show. `step` never falls."""

    def __init__(self, start: Start) -> None:
        self.start = start

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics after `step` steps."""

    def image(self, name: str, path: Path, step: int) -> None:
        """A PNG file."""

    def table(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Rows of equal keys."""

    def artifact(self, path: Path, kind: str) -> None:
        """A file worth keeping, of a kind such as `architecture`."""

    def finish(self, summary: Mapping[str, Any] | None) -> None:
        """The end; no summary means that the run stopped before it was done."""

    def state(self) -> dict[str, Any]:
        """Plain values that a resumed run gives back in `Start.state`."""
        return {}


sinks: Registry[type[Sink]] = Registry("tracking sink", "squeezenas.tracking")


class Sinks:
    """The sinks of one run behind a guard."""

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
                show(sink)
            except Exception as error:
                del self._open[name]
                _report(name, error)

    def states(self) -> dict[str, dict[str, Any]]:
        """State of every sink by name."""
        states: dict[str, dict[str, Any]] = {}
        for name, sink in self._open.items():
            states[name] = sink.state()
        return states


def _report(name: str, error: Exception) -> None:
    reason = " ".join(str(error).split()) or type(error).__name__
    print(f"tracking with {name} is switched off: {reason}", file=sys.stderr, flush=True)
