"""Runs that stop in good order: between two steps, with a checkpoint, all processes together.

Signal handlers only take a note of what is asked. A loop comes to a `SafePoints` after every step,
where the processes agree in one number on what is done. Without `listening` nothing is ever asked,
so that code which uses this package as a library keeps its own handlers.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType

from squeezenas.core.stopped import INTERRUPTED, TRY_AGAIN, Stopped
from squeezenas.engine.distributed import highest, wait

RESERVE = 60.0
"""Seconds before the end of the time that are kept free, beside a step and a checkpoint."""


class Order(IntEnum):
    """What is done at a safe point: the highest that any process asks for."""

    GO_ON = 0
    CHECKPOINT = 1
    TIME_LIMIT = 2
    SIGUSR1 = 3
    SIGTERM = 4
    SIGINT = 5


SIGNALS = tuple(number for number in signal.Signals if number.name in Order.__members__)


class _Asked:
    """What the signals and the clock of this process ask for."""

    order = Order.GO_ON
    deadline = math.inf
    deferred = False


_asked = _Asked()


@contextmanager
def listening(hours: float = 0.0, spent: float = 0.0) -> Iterator[None]:
    """Within, SIGTERM, SIGUSR1, Ctrl-C and the end of the time stop the run in good order.

    Until `deferring` there is nothing to keep, and a signal stops it at once, unless it is one of
    several processes: none shall leave the others waiting.

    Args:
        hours: after which the run is to have stopped; 0: never.
        spent: seconds of them that are over.
    """
    _asked.deadline = time.monotonic() + 3600 * hours - spent if hours else math.inf
    ours = threading.current_thread() is threading.main_thread()  # others cannot have handlers
    before = {number: signal.signal(number, _hear) for number in SIGNALS} if ours else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        _asked.order, _asked.deadline = Order.GO_ON, math.inf


@contextmanager
def deferring() -> Iterator[None]:
    """Within, what is asked waits for the next safe point."""
    _asked.deferred = True
    try:
        yield
    finally:
        _asked.deferred = False


def deafen() -> None:
    """Makes this process, one that loads data, ignore the signals that its group gets as well.

    It ends when its main process does, which insists on it: a second SIGTERM is heard.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))


def stop_if_asked() -> None:
    """A safe point of a process by itself, where nothing needs to be kept.

    Raises:
        Stopped: it was asked for.
    """
    _obey(_own(0.0))


class SafePoints:
    """The places of a loop at which it could go on later: after each step.

    It has to stop before the end of the time by the longest step seen, the last checkpoint's time
    and `RESERVE` seconds.

    Args:
        minutes: between two checkpoints.
    """

    def __init__(self, minutes: float = math.inf) -> None:
        self._minutes = minutes
        self._saved, self._left = time.monotonic(), math.inf
        self._longest = self._saving = 0.0

    def reached(self, save: Callable[[], None] = lambda: None, due: bool = False) -> None:
        """Writes a checkpoint if it is time, and stops if any process was asked to.

        Args:
            save: writes one; called in all processes.
            due: whether a checkpoint is written in any case.

        Raises:
            Stopped: in all processes, after the checkpoint was written.
            OSError: it cannot be written.
        """
        now = time.monotonic()
        self._longest = max(self._longest, now - self._left)
        due = due or (now - self._saved) / 60 >= self._minutes
        order = highest(max(_own(self._longest + self._saving), due))
        if order:
            save()
            self._saved = time.monotonic()
            self._saving = self._saved - now
        if order > Order.CHECKPOINT:
            wait()  # torchrun ends all processes as soon as one has left
        _obey(Order(order))
        self._left = time.monotonic()


def _own(needed: float) -> Order:
    """What this process wants, if another step and a checkpoint take so many seconds."""
    over = time.monotonic() + needed + RESERVE >= _asked.deadline
    return max(_asked.order, Order.TIME_LIMIT if over else Order.GO_ON)


def _obey(order: Order) -> None:
    if order > Order.CHECKPOINT:
        code = INTERRUPTED if order is Order.SIGINT else TRY_AGAIN
        raise Stopped("time_limit" if order is Order.TIME_LIMIT else order.name, code)


def _hear(number: int, frame: FrameType | None) -> None:
    order = Order[signal.Signals(number).name]
    _asked.order = max(_asked.order, order)
    if not _asked.deferred and "WORLD_SIZE" not in os.environ:
        if order is Order.SIGINT:
            raise KeyboardInterrupt
        _say(f"stopped by {order.name} before there was anything to keep; start it again")
        _obey(order)
    elif order is Order.SIGINT:
        signal.signal(number, signal.default_int_handler)
        _say("stopping after this step; press Ctrl-C again to stop at once")


def _say(text: str) -> None:
    """`print` must not be used in a handler: it may have interrupted itself."""
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"squeezenas: {text}\n".encode())
