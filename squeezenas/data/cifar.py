"""CIFAR-10 and CIFAR-100 as released: pickled batches of 32x32 images (Krizhevsky, 2009).

The images of a batch are rows of one array. Here each has a path of its own, `<batch>/00017`, so
that whatever reads images by their paths reads these too.
"""

from __future__ import annotations

import functools
import reprlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from squeezenas.data.pickles import read_pickle

SIDE = 32
"""Height and width of an image in pixels."""

LABELS = ("labels", "fine_labels")
"""Where CIFAR-10 and CIFAR-100 keep the classes of a batch."""
CLASSES = {"batches.meta": "label_names", "meta": "fine_label_names"}
"""Where they keep the names of the classes: file and key."""

BATCH_LIMIT = 1 << 29
"""Bytes of a batch; the largest, of CIFAR-100, has 155 million."""


class ImageBatch(NamedTuple):
    """Images `(N, 32, 32, 3)` RGB, not to be written to, and the class of each."""

    images: NDArray[np.uint8]
    labels: tuple[int, ...]


def image_path(batch: Path, row: int) -> Path:
    """The path that the image in this row of a batch goes by."""
    return batch / f"{row:05d}"


def batch_of(path: Path) -> Path | None:
    """The batch that an image's path leads into; None for an image with a file of its own."""
    return path.parent if path.parent.is_file() else None


def read_row(path: Path) -> NDArray[np.uint8]:
    """An image of a batch as RGB, `(32, 32, 3)`, not to be written to.

    Raises:
        OSError: the batch cannot be read.
        ValueError: the batch is damaged, or has no such row.
    """
    images = read_batch(path.parent).images
    if not path.name.isdecimal() or int(path.name) >= len(images):
        raise ValueError(f"{path.parent} has {len(images)} images and none named {path.name!r}")
    return images[int(path.name)]


def read_batch(path: Path) -> ImageBatch:
    """The images and classes of a batch; kept, so that reading image after image is quick.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, holds more than data, or is no batch; names the file.
    """
    return _kept_batch(path, path.stat().st_mtime_ns)


def read_classes(root: Path) -> tuple[str, ...]:
    """The names of the classes in the order of the labels, from the file that lists them.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read.
        ValueError: it is damaged or lists none; names the file.
    """
    for file, key in CLASSES.items():
        path = root / file
        if path.is_file():
            names = read_pickle(path, BATCH_LIMIT).get(key)
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError(f"{path} has no list of names {key!r}; get the file again")
            return tuple(names)
    raise FileNotFoundError(
        f"{root} has neither {' nor '.join(CLASSES)}, which name the classes; add the file, or "
        "give datasets.classes"
    )


@functools.lru_cache(maxsize=8)  # all of CIFAR-10 are six files, 184 MB
def _kept_batch(path: Path, changed: int) -> ImageBatch:
    content = read_pickle(path, BATCH_LIMIT)
    pixels = content.get("data")
    labels = next((content[key] for key in LABELS if key in content), None)
    row = 3 * SIDE * SIDE
    if not isinstance(pixels, np.ndarray) or not isinstance(labels, list):
        raise ValueError(
            f"{path} is no batch of CIFAR: it needs an array 'data' and a list 'labels' or "
            f"'fine_labels', and its keys are {', '.join(map(repr, content)) or 'none'}"
        )
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != row:
        raise ValueError(
            f"{path} holds an array {pixels.shape} of {pixels.dtype}; images of CIFAR are rows of "
            f"{row} bytes"
        )
    if len(labels) != len(pixels):
        raise ValueError(f"{path} has {len(pixels)} images and {len(labels)} labels; get it again")
    if strange := [label for label in labels if type(label) is not int or label < 0]:
        raise ValueError(
            f"{path} has the label {reprlib.repr(strange[0])}; labels count from 0; get it again"
        )
    planes = pixels.reshape(-1, 3, SIDE, SIDE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    images.flags.writeable = False
    return ImageBatch(images, tuple(labels))
