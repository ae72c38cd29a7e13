"""Evaluation of segmentations as benchmarks do it: whole frames, full resolution, exact counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.decode import Pixels, read_mask
from squeezenas.data.feed import BATCH_PIXELS
from squeezenas.data.frames import Frame, require_different_stems
from squeezenas.data.image_files import image_size
from squeezenas.data.loaders import evaluation_batches
from squeezenas.data.transforms import STRIDE
from squeezenas.engine.distributed import Process
from squeezenas.engine.precision import autocast
from squeezenas.nn.fold import folded
from squeezenas.tasks.confusion import ConfusionMatrix
from squeezenas.tasks.instances import InstanceScores
from squeezenas.tasks.segmentation import Segmentation
from squeezenas.training.figures import Evaluation
from squeezenas.training.label_files import (
    Ids,
    find_predictions,
    instance_file,
    read_instance_ids,
    read_prediction,
    write_prediction,
)

T = TypeVar("T")


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    frames: Sequence[Frame],
    card: DatasetCard,
    process: Process,
    *,
    precision: str = "fp32",
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    workers: int = 0,
    predictions: Path | None = None,
    progress: bool = False,
) -> Evaluation:
    """Predicts every frame whole and counts its pixels; the same result in every process.

    With `flip` or several `scales` the probabilities of all views are averaged at full resolution.

    Args:
        network: gives logits `(N, classes, H, W)` for images with sides that are multiples of 32;
            it is not changed.
        frames: what it is evaluated on.
        card: their data set.
        process: this process; each takes its share of the frames.
        precision: fp32, bf16 or fp16.
        flip: predict the mirrored frame too.
        scales: sizes to predict at; scaled sides are rounded to multiples of 32.
        workers: processes that decode ahead.
        predictions: folder for the predictions as label ids; None keeps none.
        progress: show a progress bar.

    Raises:
        ValueError: there are no frames, two of one stem, or logits of another number of classes.
        OSError, ValueError: a file cannot be used; names it.
    """
    whole = _empty(card, frames, process.device)
    by_stem = {frame.stem: frame for frame in frames}
    task, scored = Segmentation(card, process), folded(network)
    height, width = image_size(frames[0].image)
    pixels = height * width * max(1.0, *scales) ** 2
    batches = evaluation_batches(
        frames, card, max(1, int(BATCH_PIXELS / pixels)), workers, process.rank, process.world_size
    )
    shown = progress and process.main
    with tqdm(
        total=len(frames[process.rank :: process.world_size]), desc=f"evaluating {card.name}",
        unit="frame", leave=False, disable=None if shown else True,
    ) as bar:  # fmt: skip
        for batch in batches:
            images = task.prepare(batch.images, torch.zeros(1)).images
            with autocast(precision, process.device):
                predicted = _predict(scored, images, flip, scales, card).cpu()
            whole.confusion.update(batch.labels, predicted)
            for stem, padded in zip(batch.stems, predicted.numpy(), strict=True):
                rows, columns = image_size(by_stem[stem].mask)
                classes = padded[:rows, :columns]
                if whole.instances is not None:
                    ids = _instance_ids(by_stem[stem], classes.shape)
                    whole.instances.update(ids, classes)
                if predictions is not None:
                    write_prediction(predictions, stem, classes, card)
            bar.update(len(batch.stems))
    instances = whole.instances and whole.instances.joined()
    return Evaluation(card, len(frames), whole.confusion.joined(), instances, whole.unscored)


def _predict(
    network: nn.Module,
    images: Tensor,
    flip: bool,
    scales: Sequence[float],
    card: DatasetCard,
) -> Tensor:
    """Train ids `(N, H, W)` uint8 of normalised images `(N, 3, H, W)`."""
    size = images.shape[2:]
    summed: Tensor | None = None
    views = [(scale, mirrored) for scale in scales for mirrored in (False, True)[: 1 + flip]]
    for scale, mirrored in views:
        view = images.flip(3) if mirrored else images
        scaled = [max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in size]
        logits = network(_resized(view, scaled))
        if logits.shape[1] != card.num_classes:
            raise ValueError(
                f"the network tells {logits.shape[1]} classes apart, but {card.name} has "
                f"{card.num_classes}; evaluate it on the data set it was trained on"
            )
        if len(views) == 1 and list(size) == scaled:
            # The same as argmax, three times as fast on the CPU where classes are the outer axis.
            return logits.max(1).indices.byte()
        scores = _resized(logits.float(), size).softmax(1)
        scores = scores.flip(3) if mirrored else scores
        summed = scores if summed is None else summed + scores
    assert summed is not None
    return summed.max(1).indices.byte()


def _resized(images: Tensor, size: Sequence[int]) -> Tensor:
    if list(images.shape[2:]) == list(size):
        return images
    return F.interpolate(images, size=list(size), mode="bilinear", align_corners=False)


class _Read(NamedTuple):
    """A frame's label, prediction (train ids) and instance ids, each `(H, W)`."""

    label: Pixels
    prediction: Pixels
    instance_ids: NDArray[np.uint16] | None


def evaluate_predictions(
    folder: Path,
    frames: Sequence[Frame],
    card: DatasetCard,
    ids: Ids = "label",
    progress: bool = False,
) -> Evaluation:
    """Scores predictions that are PNG files, without any network.

    Pixels that are predicted to be no class (an id that the card ignores) are misses.

    Args:
        folder: holds one PNG a frame, whose name begins with the frame's stem.
        frames: what is scored; their images are not read.
        card: their data set.
        ids: whether the files hold label ids, as the labels do, or train ids.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: a frame has no prediction.
        ValueError: there are no frames or two of one stem; a frame has two predictions, one of
            another size, or one with ids that are not on the card.
        OSError: a file cannot be read.
    """
    whole = _empty(card, frames, torch.device("cpu"))
    files = find_predictions(folder, frames)

    def read(pair: tuple[Frame, Path]) -> _Read:
        frame, file = pair
        label, prediction = read_mask(frame.mask, card), read_prediction(file, card, ids)
        instances = None if whole.instances is None else _instance_ids(frame, label.shape)
        return _Read(label, prediction, instances)

    pairs = list(zip(frames, files, strict=True))
    bar = tqdm(
        _ahead(read, pairs, torch.get_num_threads()), desc=f"evaluating {folder}",
        total=len(pairs), unit="frame", leave=False, disable=None if progress else True,
    )  # fmt: skip
    for found in bar:
        whole.confusion.update(torch.from_numpy(found.label), torch.from_numpy(found.prediction))
        if whole.instances is not None and found.instance_ids is not None:
            whole.instances.update(found.instance_ids, found.prediction)
    return whole


def _empty(card: DatasetCard, frames: Sequence[Frame], device: torch.device) -> Evaluation:
    """Nothing counted yet; instances are scored when every frame has a file of them."""
    if not frames:
        raise ValueError(
            f"{card.name} cannot be evaluated: there are no frames; correct its splits"
        )
    require_different_stems(frames, card)
    without = [frame for frame in frames if instance_file(frame) is None]
    unscored = ""
    if card.instance_sizes and without:
        unscored = (
            f"no iIoU: {len(without)} of {len(frames)} frames have no *_instanceIds.png beside "
            f"their label, {without[0].stem} the first"
        )
    instances = InstanceScores(card, device) if card.instance_sizes and not without else None
    confusion = ConfusionMatrix(card.num_classes, card.ignore_index, device)
    return Evaluation(card, len(frames), confusion, instances, unscored)


def _instance_ids(frame: Frame, size: tuple[int, ...]) -> NDArray[np.uint16]:
    path = instance_file(frame)
    if path is None:
        raise FileNotFoundError(f"the instance ids of {frame.mask} have gone; put them back")
    return read_instance_ids(path, size)


def _ahead(
    read: Callable[[tuple[Frame, Path]], T], items: Iterable[tuple[Frame, Path]], threads: int
) -> Iterator[T]:
    """As `map`, reading a few items ahead in threads: decoding releases the interpreter lock."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[T]] = deque()
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
