"""Files that are whole or absent: texts replaced in one step, JSON lines that can be cut back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from squeezenas.core.files import write_atomically


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by `text` in one step; a failure is told as a sentence.

    Raises:
        OSError: it could not be written; the old file is untouched.
    """
    try:
        write_atomically(path, text)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> OSError:
    """The same error, of the same type, as a sentence."""
    return type(error)(
        f"cannot write {path}: {error.strerror}; free some space, fix its permissions, or choose "
        "another place with runs="
    )


def finite(value: Any) -> Any:
    """`value` for JSON: NaN and infinities become None, numpy and torch scalars floats."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    number = float(value)
    return number if math.isfinite(number) else None


class JsonLines:
    """A growing file of JSON objects, one a line and a write: a killed process loses none.

    Args:
        path: the file; made when missing.
        size: what follows this many bytes is cut off: a resumed run writes it again.

    Raises:
        ValueError: the file is shorter than `size`.
        OSError: it cannot be opened for writing.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        try:
            self._file = path.open("ab", buffering=0)
            found = os.fstat(self._file.fileno()).st_size
            if found < size:
                self._file.close()
                raise ValueError(
                    f"{path} has {found} bytes where the checkpoint counts {size}: it was changed "
                    "since; put it back, or start a new run"
                )
            if found > size:
                self._file.truncate(size)
        except OSError as error:
            raise cannot_write(path, error) from error

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds one line.

        Raises:
            OSError: the disk is full, or the like.
        """
        rest = json.dumps(finite(record), allow_nan=False).encode() + b"\n"
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def size(self) -> int:
        """Bytes written, after they have reached the disk."""
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
