"""Which workers are alive: at once on this machine, by their heartbeat on others.

A worker is named `machine-process-start-serial`. `machine` stands for one boot of one kernel and
one namespace of process numbers, so that equal names mean that a process number can be looked up;
the start tells a process from a later one of the same number, the serial tells workers of one
process apart. Where the system does not say (no /proc), every other process counts as elsewhere.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
import uuid
from functools import cache
from pathlib import Path

_serials = itertools.count()
_ours: set[str] = set()  # workers of this process that have not ended


@cache
def machine() -> str:
    """Twelve hexadecimal digits, equal for processes that can see each other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        names = f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        names = uuid.uuid4().hex
    return hashlib.sha256(names.encode()).hexdigest()[:12]


def started(process: int) -> str:
    """When a process began, in ticks since boot; empty where it is gone or a zombie.

    Raises:
        OSError: the system does not tell.
    """
    try:
        # The name in the second field may hold spaces and brackets; the state is the third.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        os.kill(process, 0)  # a hidden /proc entry is no death: PermissionError
        raise OSError(f"process {process} is hidden") from None
    return "" if fields[0] in "ZX" else fields[19]


def begin_worker() -> str:
    """The name of a new worker of this process."""
    try:
        start = started(os.getpid())
    except OSError:
        start = "0"
    worker = f"{machine()}-{os.getpid()}-{start}-{next(_serials)}"
    _ours.add(worker)
    return worker


def end_worker(worker: str) -> None:
    """From now on a worker of this process counts as dead."""
    _ours.discard(worker)


def is_alive(worker: str) -> bool | None:
    """Whether a worker lives; None where that cannot be known from here."""
    where, process, start, _ = worker.split("-")
    if where != machine():
        return None
    if int(process) == os.getpid():
        return worker in _ours
    try:
        return started(int(process)) == start
    except ProcessLookupError:
        return False
    except OSError:
        return None


class Watch:
    """Tells dead workers from slow ones.

    Clocks of machines differ and jump: silence is measured by this process's own, which does
    neither, from when it first saw a heartbeat.

    Args:
        lease: seconds of silence after which a worker on another machine counts as dead.
    """

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._seen: dict[int, tuple[int, float]] = {}

    def dead(self, number: int, worker: str, beat: int) -> bool:
        """Whether the worker of a trial is dead, given the last heartbeat of that trial."""
        alive = is_alive(worker)
        if alive is not None:
            return not alive
        now = time.monotonic()
        last, since = self._seen.setdefault(number, (beat, now))
        if beat != last:
            self._seen[number] = (beat, now)
            return False
        return now - since > self._lease
