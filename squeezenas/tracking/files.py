"""Files that are whole or absent: texts replaced in one step, JSON lines that can be cut back."""

from __future__ import annotations

import hashlib
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
        position: what `position` gave; what follows it is cut off: a resumed run writes it again.
            Empty: the very start.

    Raises:
        ValueError: the file up to there is not as it was written.
        OSError: it cannot be opened for writing.
    """

    def __init__(self, path: Path, position: Mapping[str, Any]) -> None:
        self.path = path
        size = int(position.get("size", 0))
        try:
            self._file = path.open("a+b", buffering=0)
            found = os.fstat(self._file.fileno()).st_size
            self._file.seek(0)
            self._digest = hashlib.sha256(self._file.read(size) or b"")
            if size and self._digest.hexdigest() != position["sha256"]:
                self._file.close()
                raise ValueError(
                    f"{path} has {found} bytes where the checkpoint counts {size}, or other ones: "
                    "it was changed since; put it back, or start a new run"
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
        self._digest.update(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def position(self) -> dict[str, Any]:
        """How far the file is written, and the digest of all of it, once it has reached the disk.

        Raises:
            OSError: it has not.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return {"size": self._file.tell(), "sha256": self._digest.hexdigest()}

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
