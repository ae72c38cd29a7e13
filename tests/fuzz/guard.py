"""What a reader may not do: start programs, connect, unpickle, write, or take all there is."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CPU_SECONDS = 10
"""Of one input; a reader that takes longer hangs."""
WALL_SECONDS = 300
"""Of one input, for readers that wait without computing; the machine may be busy."""
MEMORY = 3 << 30
"""Bytes a process may take beyond what its imports took."""

FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn",
    "subprocess.Popen", "socket.connect", "socket.sendto", "socket.getaddrinfo",
    "socket.gethostbyname", "urllib.Request", "pickle.find_class", "ctypes.dlopen", "os.kill",
    "os.chown", "os.link", "os.putenv",
)  # fmt: skip
CHANGES = (
    "os.chmod",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.truncate",
    "shutil.rmtree",
)


class Guard:
    """Notes what is forbidden, while `watching`; Python never removes an audit hook.

    Attributes:
        events: what happened, in words.
    """

    def __init__(self) -> None:
        self.events: list[str] = []
        self._inside: str | None = None
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self, inside: Path) -> Iterator[None]:
        """Notes events; files inside a folder may be written."""
        self.events.clear()
        self._inside = str(inside)
        try:
            yield
        finally:
            self._inside = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._inside is None:
            return
        if event in FORBIDDEN:
            self.events.append(f"{event}{arguments!r:.200}")
        elif event == "open" and isinstance(arguments[2], int):
            self._hear_path(event, arguments[0], arguments[2] & (os.O_ACCMODE | os.O_CREAT) != 0)
        elif event in CHANGES:
            self._hear_path(event, arguments[0], True)
            if event == "os.rename":  # os.replace is one too
                self._hear_path(event, arguments[1], True)
        elif event == "os.symlink":
            self._hear_path(event, arguments[1], True)

    def _hear_path(self, event: str, path: Any, writes: bool) -> None:
        if not writes or not isinstance(path, str | bytes | os.PathLike):
            return
        place = os.path.realpath(os.fsdecode(path))
        if place not in ("/dev/null", self._inside) and not place.startswith(f"{self._inside}/"):
            self.events.append(f"{event} for writing: {place}")


def limit_memory() -> None:
    """Bounds the address space of this process; call it after the large imports."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start_clock() -> None:
    """Gives one input its time: the process dies of SIGPROF (computing) or SIGALRM (waiting)."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)


def stop_clock() -> None:
    """Ends the time of an input."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
