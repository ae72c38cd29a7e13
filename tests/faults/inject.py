"""Faults of a process, injected into itself: nothing here depends on time or on other processes.

What a run does to its files and its steps is a sequence of *points*, the same in every run. A fault
is put at the n-th point of a kind.
"""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import get_worker_info

from squeezenas.ask_tell.evaluators.table import TableEvaluator
from squeezenas.data import loaders
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from squeezenas.tasks.task import Inputs, Task
from squeezenas.training.fit import Fit

At = Callable[[str, Callable[[], None]], None]
"""Called before every point with its kind, and with what does half of it."""

STEPS = ((OneShotSearch, "learn_weights"), (Fit, "learn"), (TableEvaluator, "evaluate"))
CALLS = {"fsync": 0, "replace": 2, "unlink": 1, "mkdir": 1}
"""Calls of the system, and how many paths they begin with."""
WRITING = ("write", *CALLS)


_folder = Path()
_endings: list[Callable[[], object]] = []


def points(at: At) -> None:
    """From now on `at` hears of every point before it is passed."""

    def call(name: str, paths: tuple[Any, ...]) -> None:
        if all(Path(path).is_relative_to(_folder) for path in paths):
            at(name, _nothing)

    for kind, method in STEPS:
        _before(kind, method, lambda *_: at("step", _nothing))
    _before(InheritedWeights, "figure", lambda *_: at("score", _nothing))
    for name, paths in CALLS.items():
        _before(os, name, lambda *given, name=name, paths=paths: call(name, given[:paths]))
    opened, fdopened = Path.open, os.fdopen

    def open_path(path: Path, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
        file = opened(path, mode, *arguments, **keywords)
        ours = mode not in ("r", "rb") and path.is_relative_to(_folder)
        return _Written(file, at) if ours else file

    Path.open = open_path
    os.fdopen = lambda descriptor, *arguments, **keywords: _Written(
        fdopened(descriptor, *arguments, **keywords), at
    )


def _nothing() -> None:
    """Half of a step or a rename."""


def _before(owner: Any, name: str, hear: Callable[..., None]) -> None:
    whole = getattr(owner, name)

    def heard(*arguments: Any, **keywords: Any) -> Any:
        hear(*arguments)
        return whole(*arguments, **keywords)

    setattr(owner, name, heard)


class _Written:
    """A file whose writes are points; half of a write reaches the disk."""

    def __init__(self, file: Any, at: At) -> None:
        self._file, self._at = file, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        self._file.__enter__()
        return self

    def __exit__(self, *about: Any) -> Any:
        return self._file.__exit__(*about)

    def write(self, data: Any) -> int:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._at("write", half)
        return int(self._file.write(data))


def counted(file: str) -> None:
    """Writes to a file how often each kind of point was passed, as JSON."""
    counts: dict[str, int] = {}

    def at(kind: str, half: Callable[[], None]) -> None:
        counts[kind] = counts.get(kind, 0) + 1

    points(at)
    _endings.append(lambda: Path(file).write_text(json.dumps(counts)))


def killed(kind: str, number: int) -> None:
    """The process dies at the n-th point of a kind, counted from 0; a write is half done."""
    numbers = itertools.count()

    def at(passed: str, half: Callable[[], None]) -> None:
        if passed == kind and next(numbers) == number:
            half()
            os.kill(os.getpid(), signal.SIGKILL)

    points(at)


def failing(code: str, kinds: list[str], number: int) -> None:
    """From the n-th point of these kinds on, all of them raise this error; writes are half done."""
    numbers, reason = itertools.count(), getattr(errno, code)

    def at(passed: str, half: Callable[[], None]) -> None:
        if passed in kinds and next(numbers) >= number:
            half()
            raise OSError(reason, os.strerror(reason))

    points(at)


def not_a_number(first: int) -> None:
    """From the batch of this step on, counted from 0, all images are NaN."""
    steps, whole = itertools.count(), Task.prepare
    spoilt = False

    def at(passed: str, half: Callable[[], None]) -> None:
        nonlocal spoilt
        spoilt |= passed == "step" and next(steps) >= first

    def prepare(task: Task, images: torch.Tensor, labels: torch.Tensor) -> Inputs:
        inputs = whole(task, images, labels)
        return inputs._replace(images=inputs.images * math.nan) if spoilt else inputs

    points(at)
    Task.prepare = prepare


def moved(folder: str, number: int) -> None:
    """Before the n-th step, counted from 0, this folder is gone."""
    numbers = itertools.count()

    def at(passed: str, half: Callable[[], None]) -> None:
        if passed == "step" and next(numbers) == number:
            Path(folder).rename(f"{folder}.away")

    points(at)


def dying_loader(number: int) -> None:
    """The loading process that is asked for this step's batch, counted from 0, dies."""
    whole = loaders._TrainingSteps.__getitem__

    def read(steps: Any, step: int) -> Any:
        if get_worker_info() and step == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(steps, step)

    loaders._TrainingSteps.__getitem__ = read


def jumping_clock(seed: int) -> None:
    """The wall clock is anywhere within years, the monotonic one leaps up to hours ahead."""
    rng, wall, steady = random.Random(seed), time.time, time.monotonic
    ahead = 0.0

    def monotonic() -> float:
        nonlocal ahead
        ahead += rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 10_000)))
        return steady() + ahead

    time.time = lambda: wall() + rng.uniform(-1e8, 1e8)
    time.monotonic = monotonic


FAULTS = (counted, killed, failing, not_a_number, moved, dying_loader, jumping_clock)
"""What a test may ask for, by name."""


def inject(folder: str, name: str, arguments: dict[str, Any]) -> None:
    """Puts a fault into this process; only files within the folder are points."""
    global _folder
    _folder = Path(folder)
    {fault.__name__: fault for fault in FAULTS}[name](**arguments)


def end() -> None:
    """What is left to do at the end of a life that did not die."""
    for ending in _endings:
        ending()
