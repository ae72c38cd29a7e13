"""From files to arrays: RGB images, masks in the card's train ids, classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.cifar import batch_of, read_row
from squeezenas.data.frames import Frame, LabelledImage, Sample
from squeezenas.data.image_files import (
    decode,
    file_size,
    image_bytes,
    palette_indices,
    read_pixels,
    unreadable,
)

PNG_END = b"IEND\xaeB`\x82"

Pixels = NDArray[np.uint8]
Label = NDArray[Any]
"""A mask `(H, W)` of uint8 train ids, or one class as a 0-d array of int64."""


def read_image(path: Path) -> Pixels:
    """An image as RGB, `(H, W, 3)`; grey is repeated, alpha dropped, 16 bits become the upper 8.

    CMYK and YCCK JPEGs, of which ImageNet has some, become RGB. An orientation in EXIF is not
    applied: masks are drawn on the stored pixels, and published figures are of those.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no image, or damaged.
    """
    if (batch := batch_of(path)) is not None:
        try:
            return read_row(path)
        except OSError as error:
            raise unreadable(batch, error) from error
    bgr = read_pixels(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_mask_ids(path: Path) -> Pixels:
    """The ids as they are in a mask file, `(H, W)`; a colour-mapped PNG gives its indices.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is damaged, or is not one 8-bit id a pixel.
    """
    content = image_bytes(path)
    if content[:4] == b"\x89PNG" and content[25:26] == b"\x03":
        return palette_indices(content, path)
    ids = decode(content, cv2.IMREAD_UNCHANGED, path)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        channels = 1 if ids.ndim == 2 else ids.shape[2]
        raise ValueError(
            f"{path} has {channels} channel(s) of {ids.dtype}; a mask holds one 8-bit id a pixel"
        )
    return ids.astype(np.uint8, copy=False)


def read_mask(path: Path, card: DatasetCard) -> Pixels:
    """A mask in train ids, `(H, W)`, with `card.ignore_index` where it is ignored.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is damaged, or holds ids that are not on the card.
    """
    return to_train_ids(read_mask_ids(path), card, path)


def to_train_ids(ids: Pixels, card: DatasetCard, path: Path) -> Pixels:
    """Train ids of the ids of a mask file; `path` is for the message.

    Raises:
        ValueError: ids that are not on the card.
    """
    known = card.train_ids
    table = np.full(256, card.ignore_index, np.uint8)
    table[list(known)] = list(known.values())
    unknown = np.ones(256, np.uint8)
    unknown[list(known)] = 0
    if cv2.LUT(ids, unknown).any():
        strange = [int(i) for i in np.unique(ids) if int(i) not in known]
        raise ValueError(
            f"{path} has ids {strange} that are not on the card {card.name!r}; "
            "add them to label_ids or ignore_ids, or correct the mask"
        )
    return cv2.LUT(ids, table).astype(np.uint8, copy=False)


def read_sample(sample: Sample, card: DatasetCard) -> tuple[Pixels, Label]:
    """Image `(H, W, 3)` and label of a sample: a mask `(H, W)`, or its class as a 0-d int64 array.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged, the sizes differ, or the mask holds ids not on the card.
    """
    if isinstance(sample, LabelledImage):
        return read_image(sample.image), np.array(sample.label, np.int64)
    return read_frame(sample, card)


def read_frame(frame: Frame, card: DatasetCard) -> tuple[Pixels, Pixels]:
    """Image `(H, W, 3)` and mask `(H, W)` of a frame.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged, the sizes differ, or the mask holds ids not on the card.
    """
    image, mask = read_image(frame.image), read_mask(frame.mask, card)
    require_same_size(image, mask, frame)
    return image, mask


def require_same_size(image: Pixels, mask: Pixels, frame: Frame) -> None:
    """Refuses a mask of another size than its image."""
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"{frame.mask} is {mask.shape[0]}x{mask.shape[1]}, but its image {frame.image} is "
            f"{image.shape[0]}x{image.shape[1]} (height x width); they must be equal"
        )


def require_whole(path: Path) -> None:
    """Refuses an empty or truncated file by its first and last bytes, without decoding it.

    PNG must end with its last chunk and WebP be as long as it says; JPEG may end with anything, so
    its truncation is seen only when it is decoded.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not whole; names the file.
    """
    size = file_size(path)
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(max(0, size - 64))
            tail = file.read(64)
    except OSError as error:
        raise unreadable(path, error) from error
    png = head.startswith(b"\x89PNG") and PNG_END not in tail
    webp = head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") + 8 > size
    if size == 0 or png or webp:
        raise ValueError(
            f"{path} is truncated ({size} bytes); get the file again or remove image and mask"
        )
