"""Whole files out, nothing half-written; `reading` is for files in."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml


def to_yaml(data: Any) -> str:
    """Plain data as YAML in the given order, lists of plain values on one line."""
    return yaml.safe_dump(
        data, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that a reader, or a crash, finds the old or the new one, never half.

    Args:
        path: where it goes.
        content: bytes, or text that becomes UTF-8.

    Raises:
        OSError: the folder is missing, not writable, or the disk is full; the old file stays.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files only their owner can read
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = str(path)  # a failed write does not say of which file
        with suppress(OSError):  # what keeps a file from being written may keep it from going too
            Path(temporary).unlink()
        raise
