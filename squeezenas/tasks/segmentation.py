"""Semantic segmentation: cross-entropy over the pixels that have a label, and mean IoU."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from squeezenas.core.config import Loss
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import Process
from squeezenas.tasks.confusion import ConfusionMatrix
from squeezenas.tasks.hard_pixels import hard_pixels
from squeezenas.tasks.task import Task, mean_of

WATCHED_GRID = (..., slice(None, None, 4), slice(None, None, 4))


class Segmentation(Task):
    """A class for every pixel.

    Args:
        card: the data set.
        process: which device, and which share of a joined batch.
        loss: which pixels count and how much.

    Raises:
        ValueError: not one weight a class.
    """

    headline: ClassVar[str] = "miou"

    def __init__(self, card: DatasetCard, process: Process, loss: Loss | None = None) -> None:
        super().__init__(card, process)
        self.ignore_index = card.ignore_index
        self._loss = loss or Loss()
        self._weights = class_weights(self._loss, card, process.device)

    def loss(self, output: Any, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the pixels of the joined batch that count, float32."""
        logits: Tensor = output
        config, weights = self._loss, self._weights
        losses = F.cross_entropy(
            logits.float(),
            labels,
            weights,
            ignore_index=self.ignore_index,
            label_smoothing=config.label_smoothing,
            reduction="sum" if config.kind == "cross_entropy" else "none",
        )
        counted = labels != self.ignore_index
        if config.kind == "ohem":
            # Weights and smoothing change the loss, not how probable the true class is.
            surprise = F.cross_entropy(
                logits.detach().float(), labels, ignore_index=self.ignore_index, reduction="none"
            )
            counted = hard_pixels(surprise, counted, config.ohem_threshold, config.ohem_kept)
            losses = losses[counted].sum()
        share = counted.sum() if weights is None else weights[labels[counted]].sum()
        return mean_of(losses, share, self.process)

    def metric(self) -> ConfusionMatrix:
        """An empty confusion matrix."""
        return ConfusionMatrix(self.classes, self.ignore_index, self.process.device)

    def count(self, metric: ConfusionMatrix, output: Any, labels: Tensor) -> None:
        """Adds pixels: logits `(N, classes, H, W)` and labels `(N, H, W)`."""
        logits: Tensor = output
        # The same as argmax, and faster on the CPU where classes are the outer axis; so are bytes.
        metric.update(labels.byte(), logits.max(1).indices.byte())

    def watch(self, metric: ConfusionMatrix, output: Any, labels: Tensor) -> None:
        """Adds the pixels of every fourth row and column."""
        self.count(metric, output[WATCHED_GRID], labels[WATCHED_GRID])

    def figures(self, metric: ConfusionMatrix) -> dict[str, float]:
        """`miou` and `pixel_accuracy`."""
        return {"miou": metric.miou(), "pixel_accuracy": metric.pixel_accuracy()}


def class_weights(loss: Loss, card: DatasetCard, device: torch.device) -> Tensor | None:
    """The weight of each class `(classes,)`, or None when all count alike.

    Raises:
        ValueError: not one weight a class.
    """
    if not loss.class_weights:
        return None
    if len(loss.class_weights) != card.num_classes:
        raise ValueError(
            f"loss.class_weights has {len(loss.class_weights)} weights for the {card.num_classes} "
            f"classes of {card.name}"
        )
    return torch.tensor(loss.class_weights, device=device)
