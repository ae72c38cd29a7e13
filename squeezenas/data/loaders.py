"""Batches for training and evaluation.

A training stream has no state: draw `k` of a whole run is position `k` of the concatenated
permutations of the frames, one permutation a pass, and its augmentation is seeded by `(seed, k)`.
Resuming is starting at another step, and the ranks of a distributed run read slices of one and the
same global batch.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.cache import Cache, DecodedSamples
from squeezenas.data.decode import Label, Pixels
from squeezenas.data.frames import Sample
from squeezenas.data.transforms import EvaluationTransform, Transform, evaluation_transform
from squeezenas.engine.preemption import deafen


class Batch(NamedTuple):
    """Images `(N, 3, H, W)` uint8, channels_last; labels; stems.

    Labels are masks `(N, H, W)` of uint8 train ids, or classes `(N,)` int64. Of a text, images are
    words `(T, N)` int64 and labels the words that follow them.
    """

    images: Tensor
    labels: Tensor
    stems: tuple[str, ...]
    begins: bool = True
    """Whether it does not go on where the batch before ended."""


class _Failure(NamedTuple):
    """An error on its way out of a worker, without the worker's traceback in its message."""

    error: Exception


class _TrainingSteps(Dataset[Batch | _Failure]):
    """Batch `step` of one rank, as arrays in `(N, H, W, 3)` order."""

    def __init__(
        self,
        decoded: DecodedSamples,
        transform: Transform,
        slots: range,
        batch_size: int,
        seed: int,
    ) -> None:
        self._decoded, self._transform, self._slots = decoded, transform, slots
        self._batch_size, self._seed = batch_size, seed
        self._permutation = functools.lru_cache(maxsize=2)(self._draw_permutation)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in vars(self).items() if key != "_permutation"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._permutation = functools.lru_cache(maxsize=2)(self._draw_permutation)

    def _draw_permutation(self, number: int) -> np.ndarray:
        return np.random.default_rng([self._seed, number]).permutation(len(self._decoded))

    def __getitem__(self, step: int) -> Batch | _Failure:
        try:
            draws = [step * self._batch_size + slot for slot in self._slots]
            indices = [self._sample_of(draw) for draw in draws]
            samples = [
                self._transform(*self._decoded[index], draw_seed(self._seed, draw))
                for index, draw in zip(indices, draws, strict=True)
            ]
            return _stack(samples, [self._decoded.samples[index].stem for index in indices])
        except (OSError, ValueError) as error:
            return _Failure(error)

    def _sample_of(self, draw: int) -> int:
        number, position = divmod(draw, len(self._decoded))
        return int(self._permutation(number)[position])


class _EvaluationSamples(Dataset[Batch | _Failure]):
    """One sample at a time."""

    def __init__(self, decoded: DecodedSamples, transform: EvaluationTransform) -> None:
        self._decoded, self._transform = decoded, transform

    def __len__(self) -> int:
        return len(self._decoded)

    def __getitem__(self, index: int) -> Batch | _Failure:
        try:
            prepared = self._transform(*self._decoded[index])
            return _stack([prepared], [self._decoded.samples[index].stem])
        except (OSError, ValueError) as error:
            return _Failure(error)


class _From:
    """A sampler that counts upwards without end."""

    def __init__(self) -> None:
        self.start = 0

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start)


class TrainingStream:
    """An endless stream of augmented batches that can start at any step.

    Args:
        frames: what to draw from, frames or labelled images.
        card: their data set.
        transform: what `training_transform` or `image_transform` gave.
        batch_size: images a step over all processes.
        seed: seed of the order and of the augmentation.
        workers: processes that decode ahead; 0 decodes in this one.
        rank: number of this process.
        world_size: number of processes; each gets a contiguous slice of every batch.
        cache: where decoded images are kept, see `DecodedSamples`.
        cache_folder: folder for `cache="disk"`.

    Raises:
        ValueError: nothing to draw from, the batch does not divide by the number of processes, or
            a disk cache has no folder.
    """

    def __init__(
        self,
        frames: Sequence[Sample],
        card: DatasetCard,
        transform: Transform,
        batch_size: int,
        seed: int,
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        cache: Cache = "auto",
        cache_folder: Path | None = None,
    ) -> None:
        if not frames:
            raise ValueError(f"there are no frames of {card.name} to train on")
        if batch_size < 1 or batch_size % world_size:
            raise ValueError(
                f"batch_size {batch_size} does not divide by {world_size} processes; "
                f"use a multiple of {world_size}"
            )
        share = batch_size // world_size
        slots = range(rank * share, (rank + 1) * share)
        decoded = DecodedSamples(frames, card, cache, cache_folder, workers)
        self._sampler = _From()
        self._loader = _loader(
            _TrainingSteps(decoded, transform, slots, batch_size, seed), workers, self._sampler
        )

    def batches(self, start_step: int = 0) -> Iterator[Batch]:
        """Batches of the steps `start_step`, `start_step + 1`, ... without end.

        Workers live on between calls; a new call ends the iterator of the previous one.

        Raises:
            OSError, ValueError: a frame cannot be used; names the file.
        """
        self._sampler.start = start_step
        return map(_finish, self._loader)


def evaluation_batches(
    frames: Sequence[Sample],
    card: DatasetCard,
    batch_size: int,
    workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
    transform: EvaluationTransform | None = None,
) -> Iterator[Batch]:
    """Every frame or labelled image of this rank once; a batch has one size.

    Ranks take every `world_size`-th, so none is scored twice.

    Args:
        frames: what to show.
        card: its data set.
        batch_size: images a batch, of which the last ones may have fewer.
        workers: processes that decode ahead; 0 decodes in this one.
        rank: number of this process.
        world_size: number of processes.
        transform: what `image_evaluation_transform` gave; None shows frames whole, padded to
            multiples of 32.

    Raises:
        OSError, ValueError: a frame cannot be used; names the file.
    """
    if transform is None:
        transform = functools.partial(evaluation_transform, card=card)
    shown = _EvaluationSamples(DecodedSamples(frames[rank::world_size], card), transform)
    waiting: dict[tuple[int, ...], list[Batch]] = {}
    for batch in map(_finish, _loader(shown, workers, None)):
        group = waiting.setdefault(tuple(batch.images.shape), [])
        group.append(batch)
        if len(group) == batch_size:
            yield _join(group)
            group.clear()
    yield from (_join(group) for group in waiting.values() if group)


def draw_seed(seed: int, draw: int) -> int:
    """Seed of the augmentation of one draw, 64 bits that neighbouring draws do not share."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{draw}".encode(), digest_size=8).digest())


def _stack(samples: Sequence[tuple[Pixels, Label]], stems: Sequence[str]) -> Batch:
    images = torch.from_numpy(np.stack([image for image, _ in samples]))
    labels = torch.from_numpy(np.stack([label for _, label in samples]))
    return Batch(images, labels, tuple(stems))


def _join(group: Sequence[Batch]) -> Batch:
    # The images are channels_last views: joined in memory order, then viewed again.
    images = torch.cat([batch.images.permute(0, 2, 3, 1) for batch in group]).permute(0, 3, 1, 2)
    stems = tuple(stem for batch in group for stem in batch.stems)
    return Batch(images, torch.cat([batch.labels for batch in group]), stems)


def _finish(batch: Batch | _Failure) -> Batch:
    if isinstance(batch, _Failure):
        raise batch.error
    return batch._replace(images=batch.images.permute(0, 3, 1, 2))


def _loader(
    dataset: Dataset[Batch | _Failure], workers: int, sampler: _From | None
) -> DataLoader[Batch | _Failure]:
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0 and sampler is not None,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_begin_worker,
        pin_memory=torch.cuda.is_available(),
        # Without its own generator a loader draws from the global one; a resumed run would differ.
        generator=torch.Generator(),
    )


def _begin_worker(worker: int) -> None:
    """OpenCV's own threads deadlock in forked workers and fight over the cores."""
    deafen()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
