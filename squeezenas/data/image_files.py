"""Image files, looked at before they are decoded: they may be a stranger's.

A few hundred bytes can call themselves a picture of gigabytes, or one that takes minutes to decode.
So a file's head is read by Pillow first, which knows its size without decoding it; OpenCV, quicker,
decodes it then.
"""

from __future__ import annotations

import io
import re
import stat
import struct
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from squeezenas.core.reading import read_bytes

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM")
"""What is decoded, in Pillow's words; PPM is PBM and PGM too."""
MOST_BYTES = 1 << 29
"""Of a file: what the largest picture takes, uncompressed and in 16 bits."""
MOST_PIXELS = 89_478_485
"""Pillow's own bound, 256 MiB as RGB: a picture of some 9459x9459."""
MOST_VISITS = 16 * MOST_PIXELS
"""Pixels times scans of a JPEG. Progressive ones have about ten scans, each over all pixels."""

MOST_ENTRIES = 4096
"""Of the directory of a TIFF, which has some twenty."""

_SEGMENT = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # markers that a length or the end follows
_SCAN, _END = 0xDA, 0xD9
_WIDTH, _HEIGHT = 256, 257  # tags of a TIFF

Numbers = NDArray[np.integer[Any] | np.floating[Any]]


def read_pixels(path: Path, flags: int) -> Numbers:
    """What OpenCV makes of an image file: `decode` of its `image_bytes`.

    Args:
        path: the file.
        flags: OpenCV's, such as `cv2.IMREAD_COLOR`.

    Raises:
        OSError, ValueError: as these two.
    """
    return decode(image_bytes(path), flags, path)


def image_bytes(path: Path) -> bytes:
    """The content of an image file whose head says that it can be decoded.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no image of `FORMATS`, or too large; names the file.
    """
    try:
        content = read_bytes(path, MOST_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error
    if content.startswith((b"II", b"MM")) and not _is_clear(content):
        raise damaged(path, len(content))
    height, width = _size(io.BytesIO(content), path, len(content))
    most = MOST_VISITS // (height * width)
    if content.startswith(b"\xff\xd8") and (scans := _scans(content, most)) > most:
        raise ValueError(
            f"{path} is a JPEG of {scans} scans or more, each over {width}x{height} pixels; save "
            "it anew"
        )
    return content


def decode(content: bytes, flags: int, path: Path) -> Numbers:
    """What OpenCV makes of the `image_bytes` of a file.

    Raises:
        ValueError: it is damaged; names the file.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # of damaged files; of too little memory as well
        pixels = None
    if pixels is None:
        raise damaged(path, len(content))
    return pixels


def palette_indices(content: bytes, path: Path) -> NDArray[np.uint8]:
    """The indices of a colour-mapped PNG, `(H, W)`, of which OpenCV would make colours.

    Raises:
        ValueError: it is damaged; names the file.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return np.asarray(picture, dtype=np.uint8)
    except Exception as error:  # damaged files fail in every way there is
        raise damaged(path, len(content)) from error


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image, read from its head.

    Raises:
        OSError, ValueError: as `image_bytes`.
    """
    size = file_size(path)
    with path.open("rb") as file:
        return _size(file, path, size)


def file_size(path: Path) -> int:
    """The bytes of a file that can be opened without waiting for what comes through a pipe.

    Raises:
        OSError: there is none, or it is out of reach.
        ValueError: it is a folder, pipe or device.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is a folder, pipe or device; put an image in its place")
    return status.st_size


def unreadable(path: Path, error: OSError) -> OSError:
    """What to raise for a file that cannot be read."""
    missing = "No such file" if isinstance(error, FileNotFoundError) else error
    return OSError(
        f"{path} cannot be read ({error.strerror or missing}); restore it or correct the card"
    )


def damaged(path: Path, size: int) -> ValueError:
    """What to raise for a file of so many bytes that is no image."""
    return ValueError(
        f"{path} is damaged or no image ({size} bytes); get the file again or remove it"
    )


def _size(file: BinaryIO, path: Path, size: int) -> tuple[int, int]:
    """Height and width, once they are known to be in bounds."""
    try:
        with Image.open(file, formats=FORMATS) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except Exception as error:  # damaged heads fail in every way there is
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, size) from error
    if width * height > MOST_PIXELS:
        raise _too_large(path, f" {width}x{height}")
    if not width or not height:
        raise damaged(path, size)
    return height, width


def _too_large(path: Path, size: str = "") -> ValueError:
    return ValueError(
        f"{path} says that it is a picture{size} of more than {MOST_PIXELS:,} pixels; cut it up, "
        "or get the file again"
    )


def _is_clear(content: bytes) -> bool:
    """Whether a TIFF has one size, for Pillow, which bounds it, and for OpenCV, which decodes it.

    Of two entries each may take another, as Pillow skips those of types that it does not know; and
    of a BigTIFF with big-endian numbers it reads a directory in another place.
    """
    order, large = ("<" if content.startswith(b"II") else ">"), content.startswith(b"II+\0")
    start, place, number, step = (8, "Q", "Q", 20) if large else (4, "L", "H", 12)
    try:
        (directory,) = struct.unpack_from(order + place, content, start)
        (count,) = struct.unpack_from(order + number, content, directory)
        first = directory + struct.calcsize(order + number)
        tags = [
            struct.unpack_from(order + "H", content, first + step * entry)[0]
            for entry in range(min(count, MOST_ENTRIES))
        ]
    except (struct.error, OverflowError):
        return False
    once = tags.count(_WIDTH) == tags.count(_HEIGHT) == 1
    return once and count <= MOST_ENTRIES and content.startswith((b"II*\0", b"II+\0", b"MM\0*"))


def _scans(content: bytes, most: int) -> int:
    """How many scans a JPEG has; no more are counted than one too many."""
    scans, place = 0, 2
    while scans <= most and (found := _SEGMENT.search(content, place)):
        kind, place = content[found.end() - 1], found.end()
        if kind == _END:
            break
        scans += kind == _SCAN
        place += int.from_bytes(content[place : place + 2], "big")
    return scans
