"""Seals: the SHA-256 of a file within the file, so that no flipped bit passes for its content.

Formats that know where they end, such as a zip archive and an .npy array, carry the seal behind
their end, where their own readers do not look. Texts and safetensors carry it within, as the
hexadecimal digest of the file with `BLANK` in the digest's place.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

MAGIC = b"sqzseal1"
LENGTH = len(MAGIC) + hashlib.sha256().digest_size
BLANK = "0" * 2 * hashlib.sha256().digest_size
PIECE = 1 << 20


class SealedFile:
    """A file that is written from its beginning to its end, and its digest on the way.

    Args:
        file: open for writing, empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Writes on."""
        self._digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Hands everything to the system."""
        self._file.flush()

    def seal(self) -> None:
        """Ends the content: the seal follows it, and both reach the disk.

        Raises:
            OSError: they do not.
        """
        self._file.write(MAGIC + self._digest.digest())
        self._file.flush()
        os.fsync(self._file.fileno())


def sealed(content: bytes) -> bytes:
    """The content with its seal behind it."""
    return content + MAGIC + hashlib.sha256(content).digest()


def fault(path: Path) -> str:
    """What is wrong with a file that ends in a seal; empty if it is as it was written.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = file.seek(0, os.SEEK_END) - LENGTH
        file.seek(max(left, 0))
        if not (seal := file.read()).startswith(MAGIC):
            return "it has no seal at its end: it was cut off, or an older version wrote it"
        file.seek(0)
        while piece := file.read(min(left, PIECE)):
            digest.update(piece)
            left -= len(piece)
    return "" if seal == MAGIC + digest.digest() else "it is not what its seal says"


def filled(content: bytes) -> bytes:
    """The content with its digest in place of the first `BLANK`."""
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(BLANK.encode(), digest.encode(), 1)


def holds(content: bytes, digest: str) -> bool:
    """Whether the content that `filled` gave still has this digest."""
    if not digest.isascii():
        return False
    blank = content.replace(digest.encode(), BLANK.encode(), 1)
    return hashlib.sha256(blank).hexdigest() == digest
