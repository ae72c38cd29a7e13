"""Decoded samples, kept so that a file is decoded once and not once an epoch."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib.format import open_memmap

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.files import write_atomically
from squeezenas.core.seal import fault, sealed
from squeezenas.data.cifar import batch_of
from squeezenas.data.decode import Label, Pixels, read_sample
from squeezenas.data.frames import Frame, Sample
from squeezenas.data.image_files import unreadable

CACHE_BYTES = 1 << 30
"""`auto` keeps decoded samples when all of them, in all workers, take less than this."""

VERSION = 2
"""Raised whenever files are decoded to other arrays, so that old entries are not read."""

Cache = Literal["auto", "memory", "disk", "off"]


class DecodedSamples:
    """Decoded samples by position.

    Args:
        samples: what to decode.
        card: their data set.
        cache: memory keeps all in each process; auto does so if they are few, and otherwise
            decodes anew, as off always does; disk keeps one memory-mapped file a sample in
            `folder`, which all processes and later runs share and of which only the crop is read.
        folder: for disk. A changed file or card gets a new entry; old ones may be removed any time.
        processes: how many processes keep their own copy in memory.

    Raises:
        ValueError: `cache` is disk without a folder.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        card: DatasetCard,
        cache: Cache = "off",
        folder: Path | None = None,
        processes: int = 1,
    ) -> None:
        if cache == "disk" and folder is None:
            raise ValueError("cache=disk needs a folder to keep decoded images in")
        self.samples = list(samples)
        self.card = card
        self._folder = folder if cache == "disk" else None
        budgets = {"auto": CACHE_BYTES // max(processes, 1), "memory": sys.maxsize}
        self._budget = budgets.get(cache, 0)
        self._kept: dict[int, tuple[Pixels, Label]] = {}
        self._sound: set[Path] = set()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Pixels, Label]:
        """Image `(H, W, 3)` and label of one sample; not to be written to.

        Raises:
            OSError, ValueError: as `read_sample`; or the cache folder cannot be written.
        """
        if index in self._kept:
            return self._kept[index]
        sample = self.samples[index]
        if self._folder is not None:
            return self._from_disk(sample, self._folder)
        image, label = read_sample(sample, self.card)
        if (image.nbytes + label.nbytes) * len(self.samples) <= self._budget:
            self._kept[index] = image, label
        return image, label

    def _from_disk(self, sample: Sample, folder: Path) -> tuple[Pixels, Label]:
        """An entry is `(3 or 4, H, W)` uint8: the bytes of the image, those of the mask, a seal.

        The first time it is read whole, for its seal; from then on only the crop is.
        """
        entry = folder / f"{_fingerprint(sample, self.card)}.npy"
        planes = 4 if isinstance(sample, Frame) else 3
        try:
            if entry not in self._sound and (reason := fault(entry)):
                raise ValueError(reason)
            stored = open_memmap(entry, mode="r")
            if stored.dtype != np.uint8 or stored.ndim != 3 or stored.shape[0] != planes:
                raise ValueError(f"{entry} is of another kind")
        except Exception:  # not there yet, or damaged, which shows in every way there is
            image, label = read_sample(sample, self.card)
            _write(entry, image, label)
            return image, label
        self._sound.add(entry)
        image = np.asarray(stored[:3]).reshape(*stored.shape[1:], 3)
        if isinstance(sample, Frame):
            return image, np.asarray(stored[3])
        return image, np.array(sample.label, np.int64)


def _write(entry: Path, image: Pixels, label: Label) -> None:
    planes = [image.ravel(), label.ravel()] if label.ndim else [image.ravel()]
    file = io.BytesIO()
    np.save(file, np.concatenate(planes).reshape(-1, *image.shape[:2]))
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(entry, sealed(file.getvalue()))
    except OSError as error:
        raise OSError(
            f"decoded images cannot be kept in {entry.parent} ({error.strerror}); make room there, "
            "or use cache=off"
        ) from error


def _fingerprint(sample: Sample, card: DatasetCard) -> str:
    """A name that changes with the files, with the meaning of their ids, and with `VERSION`."""
    parts: list[object] = [VERSION]
    for path in (sample.image, sample.mask) if isinstance(sample, Frame) else (sample.image,):
        try:
            status = (batch_of(path) or path).stat()
        except OSError as error:
            raise unreadable(path, error) from error
        parts += [str(path.absolute()), status.st_size, status.st_mtime_ns]
    if isinstance(sample, Frame):
        parts += [sorted(card.train_ids.items()), card.ignore_index]
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
