"""A journal of trials in one file, written by any number of processes that may be killed.

Optuna's journal with three differences. Its lock stays behind when its holder is killed, and all
others wait half a minute; ours knows what a dead process of this machine left. A last line that a
killed process wrote in part is cut off before the next one is added, where Optuna's file could not
be read any more. And every line has a checksum, so that a flipped bit does not pass for a result.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend

from squeezenas.ask_tell.liveness import machine

GRACE = 30.0
"""Seconds after which a lock is taken from a process of another machine."""

CHECKSUM = b',"crc":"'
"""What comes before the eight hexadecimal digits at the end of a line."""


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
        self._starts = [0]  # of the lines that were read, and of the next one

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """What the lines from this one on say, up to one that is being written.

        Raises:
            DamagedJournalError: a line is not as it was written.
            OSError: the file cannot be read.
        """
        first = min(log_number_from, len(self._starts) - 1)
        try:
            logs = self._read(first)
        except DamagedJournalError:  # or caught while a torn line was cut off
            with locked(self._path):
                logs = self._read(first)
        yield from logs[log_number_from - first :]

    def _read(self, first: int) -> list[dict[str, Any]]:
        """The lines from one on that was reached before."""
        with self._path.open("rb") as file:
            file.seek(self._starts[first])
            lines = file.read().split(b"\n")[:-1]
        logs = [_checked(line, self._path, number) for number, line in enumerate(lines, first + 1)]
        self._starts = [
            *self._starts[:first],
            *accumulate((len(line) + 1 for line in lines), initial=self._starts[first]),
        ]
        return logs

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Adds one line for each mapping.

        Raises:
            OSError: the file cannot be written to.
        """
        with locked(self._path), self._path.open("a+b") as file:
            _cut_torn_line(file)
            file.write(b"".join(map(_line, logs)))
            file.flush()
            if any("trial_id" in log and "state" in log for log in logs):
                # A trial ended: it and all lines before outlast a power failure from here on.
                os.fsync(file.fileno())


class DamagedJournalError(ValueError):
    """A line of a journal is not as it was written."""


def _line(log: Mapping[str, Any]) -> bytes:
    """A mapping as a line that ends in its checksum."""
    text = json.dumps(log, separators=(",", ":")).encode()
    return b'%s%s%08x"}\n' % (text[:-1], CHECKSUM, zlib.crc32(text))


def _checked(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """What a line without its end says.

    Raises:
        DamagedJournalError: its checksum is another one, or missing.
        ValueError: it is the first line of another kind of file.
    """
    if number == 1 and CHECKSUM not in line:
        raise ValueError(f"{path} is no journal")
    text, _, crc = line.rpartition(CHECKSUM)
    text += b"}"
    if crc != b'%08x"}' % zlib.crc32(text):
        raise DamagedJournalError(
            f"journal {path}: line {number} is not as it was written; put the file back, or begin "
            "a new search"
        )
    log: dict[str, Any] = json.loads(text)
    return log


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
