"""A journal of trials in one file, written by any number of processes that may be killed.

Optuna's journal with two differences. Its lock stays behind when its holder is killed, and all
others wait half a minute; ours knows what a dead process of this machine left. And a last line that
a killed process wrote in part is cut off before the next one is added, where Optuna's file could
not be read any more.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend

from squeezenas.ask_tell.liveness import machine

GRACE = 30.0
"""Seconds after which a lock is taken from a process of another machine."""


class Journal(JournalFileBackend):
    """The lines of a journal.

    Args:
        path: the file, made if it is missing.

    Raises:
        OSError: its folder is missing or cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Adds one line for each mapping.

        Raises:
            OSError: the file cannot be written to.
        """
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with locked(self._path), self._path.open("a+b") as file:
            _cut_torn_line(file)
            file.write(lines.encode())
            file.flush()
            if any("trial_id" in log and "state" in log for log in logs):
                # A trial ended: it and all lines before outlast a power failure from here on.
                os.fsync(file.fileno())


def _cut_torn_line(file: BinaryIO) -> None:
    """Removes what follows the last line end; no process has read it as a line."""
    if not file.seek(0, os.SEEK_END):
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Excludes all other processes that lock the same journal, on every machine that sees it.

    The lock is a symbolic link, which on any file system, NFS of all versions included, only one
    process can make. It names its holder's machine. Processes of one machine first queue for a lock
    of the kernel, which ends with its holder; so who has waited in the queue and meets a link of
    its own machine knows that a dead process left it.

    Raises:
        OSError: the folder cannot be written to.
    """
    link = Path(f"{journal}.lock")
    queue = os.open(f"{journal}.queue", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        ours = _make(link, queued=_flock(queue))
        try:
            yield
        finally:
            with suppress(FileNotFoundError):  # it may have been taken from us as a dead one's
                if str(link.readlink()) == ours:
                    link.unlink()
    finally:
        os.close(queue)


def _flock(descriptor: int) -> bool:
    """Waits for the kernel's lock; False where the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _make(link: Path, queued: bool) -> str:
    """Makes the link as soon as it is free, and says what it holds."""
    ours = f"{machine()}-{uuid.uuid4().hex}"
    holder, since, pause = "", time.monotonic(), 0.001
    while True:
        with suppress(FileExistsError):
            link.symlink_to(ours)
            return ours
        try:
            found = str(link.readlink())
        except FileNotFoundError:
            continue
        if found == ours:  # NFS repeats a request whose answer was lost
            return ours
        if found != holder:
            holder, since = found, time.monotonic()
        left_here = queued and found.startswith(machine())
        if left_here or time.monotonic() - since > GRACE:
            with suppress(FileNotFoundError):
                link.unlink()
            continue
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
