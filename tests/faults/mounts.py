"""A disk of a process's own: a tmpfs that only it and its children see, gone when they end."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

NOT_ALLOWED = 77
NEW_MOUNTS, REMOUNT, READ_ONLY, PRIVATE, ALL = 0x20000, 0x20, 0x1, 1 << 18, 0x4000

_libc = ctypes.CDLL(None, use_errno=True)


def lives(life: dict[str, Any], run: Callable[[dict[str, Any]], int]) -> int:
    """Runs several command lines one after the other, the disk changed before each.

    Args:
        life: `mount` is the folder where the disk is, `stages` are lives, each with the `disk` that
            it meets (`size=1m`, `ro`, `rw`); what is on the disk at last is copied to `kept`, and
            the exit codes are written to `codes`.
        run: runs a stage in a child.

    Returns:
        0, or `NOT_ALLOWED` where this process may not mount anything.
    """
    disk = Path(life["mount"])
    disk.mkdir(exist_ok=True)
    if _libc.unshare(NEW_MOUNTS) or _mount(None, "/", None, PRIVATE | ALL, None):
        return NOT_ALLOWED
    codes = []
    for number, stage in enumerate(life["stages"]):
        disk_now = stage["disk"]
        read_only = READ_ONLY if disk_now == "ro" else 0
        size = None if disk_now in ("ro", "rw") else disk_now
        again = REMOUNT if number else 0
        if _mount("tmpfs", str(disk), "tmpfs", again | read_only, size):
            return NOT_ALLOWED
        codes.append(run(stage))
    shutil.copytree(disk, life["kept"])
    Path(life["codes"]).write_text(json.dumps(codes))
    return 0


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None) -> int:
    texts = [text and os.fsencode(text) for text in (source, target, kind, data)]
    return int(_libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]))
