"""What a network is fed with, whatever its task: parts of a data set, and batches of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from squeezenas.core.config import Feed
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.cache import Cache
from squeezenas.data.decode import Label, Pixels, read_image, read_sample, require_whole
from squeezenas.data.frames import (
    Frame,
    Sample,
    assert_disjoint,
    samples,
    split_by_hash,
    with_classes,
)
from squeezenas.data.image_transforms import image_evaluation_transform, image_transform
from squeezenas.data.loaders import Batch, TrainingStream, evaluation_batches
from squeezenas.data.text import read_corpus
from squeezenas.data.text_stream import TextStream, text_batches
from squeezenas.data.transforms import training_transform
from squeezenas.engine.distributed import Process

Part = Sequence[Sample] | Tensor
"""Samples of images, or the words of a text `(n,)` int64."""
Stream = TrainingStream | TextStream

SAMPLES = {"segmentation": "frames", "classification": "images", "language": "words"}
BATCH_PIXELS = 1 << 21  # one Cityscapes frame
SCORED_COLUMNS = 10
"""Columns that a text is scored in between epochs; the last figure is of one column, exact."""


def complete(card: DatasetCard) -> DatasetCard:
    """The card itself, or with the classes, or the vocabulary, that its files have.

    Raises:
        FileNotFoundError, OSError, ValueError: the data set is missing or faulty.
    """
    if card.task == "language":
        return card.model_copy(update={"classes": read_corpus(card).words})
    return with_classes(card)


def read_part(card: DatasetCard, split: str) -> Part:
    """The samples, or the words, of a split.

    Raises:
        FileNotFoundError, OSError, ValueError: the data set is missing or faulty, or has no such
            split.
    """
    if card.task != "language":
        return samples(card, split)
    parts = {str(name): words for name, words in read_corpus(card).parts.items()}
    if split not in parts:
        raise ValueError(f"{card.name} has no split {split!r}; it has {', '.join(parts)}")
    return parts[split]


def divide(part: Part, shares: Mapping[str, float]) -> dict[str, Part]:
    """Disjoint parts: samples by the hash of their names, a text in pieces, in the order given.

    Raises:
        ValueError: there is too little to divide.
    """
    if not isinstance(part, Tensor):
        return dict(split_by_hash(part, shares))
    total = sum(shares.values())
    ends, done = [0], 0.0
    for share in shares.values():
        done += share
        ends.append(round(len(part) * done / total))
    pieces = [part[start:end] for start, end in pairwise(ends)]
    if min(len(piece) for piece in pieces) < 2:
        raise ValueError(f"{len(part)} words cannot be divided into {len(shares)} parts")
    return dict(zip(shares, pieces, strict=True))


def first(part: Part, count: int) -> Part:
    """So many samples, chosen by the hash of their names, or the first words; 0: all."""
    if not count or count >= len(part):
        return part
    if isinstance(part, Tensor):
        return part[:count]
    return divide(part, {"chosen": count, "rest": len(part) - count})["chosen"]


def require_disjoint(*parts: Part) -> None:
    """Refuses parts that share an image; pieces of a text are disjoint as they were cut.

    Raises:
        ValueError: names the first shared image.
    """
    assert_disjoint(*(part for part in parts if not isinstance(part, Tensor)))


def require_whole_frames(part: Part) -> None:
    """Refuses truncated frames; millions of images for classification are not opened for it.

    Raises:
        OSError, ValueError: names the file.
    """
    for sample in () if isinstance(part, Tensor) else part:
        if isinstance(sample, Frame):
            require_whole(sample.image)
            require_whole(sample.mask)


def require_readable(part: Part, card: DatasetCard) -> None:
    """Reads the first sample: a card that does not fit its files is told before all else.

    Raises:
        OSError, ValueError: names the file, or a text is one word long.
    """
    if not isinstance(part, Tensor):
        read_sample(part[0], card)
    elif len(part) < 2:
        raise ValueError(f"one word of {card.name} predicts none; raise regime.select.images")


def fingerprint(part: Part) -> bytes:
    """Changes with the names of the samples or with the words, not with where they lie."""
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(part, Tensor):
        digest.update(part.numpy().tobytes())
    else:
        for sample in part:
            digest.update(sample.stem.encode() + b"\0")
    return digest.digest()


def training_stream(
    part: Part,
    card: DatasetCard,
    feed: Feed,
    seed: int,
    process: Process,
    workers: int = 0,
    cache: Cache = "auto",
    cache_folder: Path | None = None,
) -> Stream:
    """Endless batches that can start at any step.

    Args:
        part: what to draw from.
        card: its data set, complete.
        feed: batch, crop and augmentation.
        seed: of the order and the augmentation.
        process: each gets its share of every batch.
        workers: processes that decode ahead; 0 decodes in this one.
        cache: where decoded images are kept.
        cache_folder: folder for `cache="disk"`.

    Raises:
        ValueError: the batch does not divide by the number of processes, the text is too short, or
            padded images are too small.
    """
    if isinstance(part, Tensor):
        return TextStream(part, feed.batch_size, feed.bptt, seed, process.rank, process.world_size)
    if card.task == "classification":
        transform = image_transform(feed.image_augmentation, feed.crop, card)
        if feed.image_augmentation.padding:
            transform(*read_sample(part[0], card), seed)  # a crop that is too large shows now
    else:
        transform = training_transform(feed.augmentation, feed.crop, card)
    return TrainingStream(
        part, card, transform, feed.batch_size, seed, workers, process.rank, process.world_size,
        cache, cache_folder,
    )  # fmt: skip


def steps_per_epoch(stream: Stream, part: Part, batch_size: int) -> int:
    """Steps of one pass, at least one."""
    if isinstance(stream, TextStream):
        return stream.steps_per_epoch
    return max(1, len(part) // batch_size)


def scoring_batches(
    part: Part,
    card: DatasetCard,
    feed: Feed,
    process: Process,
    workers: int = 0,
    columns: int = SCORED_COLUMNS,
) -> Iterator[Batch]:
    """Every sample of this process's share once, without augmentation.

    Frames are whole; images for classification are resized and cut to the crop, or shown as they
    are where training pads them. Every process gets the whole of a text: a state is carried
    through it.

    Args:
        part: what is scored.
        card: its data set, complete.
        feed: the crop that images were trained at.
        process: each gets its share.
        workers: processes that decode ahead; 0 decodes in this one.
        columns: of a text; it is exact in one, and faster in more. A short one is scored in one.

    Raises:
        OSError, ValueError: a file cannot be used; names it.
    """
    if isinstance(part, Tensor):
        # A short text would leave whole columns empty.
        yield from text_batches(part, columns if len(part) > columns**2 else 1, feed.bptt)
        return
    transform, size = None, feed.crop
    if card.task == "segmentation":
        height, width = read_image(part[0].image).shape[:2]
        size = (height, width)
    elif not feed.image_augmentation.padding:
        transform = image_evaluation_transform(feed.crop)
    else:
        transform = _unchanged
    yield from evaluation_batches(
        part, card, max(1, BATCH_PIXELS // (size[0] * size[1])), workers, process.rank,
        process.world_size, transform,
    )  # fmt: skip


def _unchanged(image: Pixels, label: Label) -> tuple[Pixels, Label]:
    return image, label
