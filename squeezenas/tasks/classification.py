"""Image classification: cross-entropy, top-1 and top-5 accuracy."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from squeezenas.core.config import Loss
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import Process, total
from squeezenas.tasks.segmentation import class_weights
from squeezenas.tasks.task import Task, mean_of


class TopK:
    """Counts images, and those whose class is among the first and the first five guesses.

    Args:
        device: where the counts live.
    """

    def __init__(self, device: torch.device) -> None:
        self.counts = torch.zeros(3, dtype=torch.int64, device=device)

    def update(self, labels: Tensor, logits: Tensor) -> None:
        """Adds images: labels `(N,)` and logits `(N, classes)`."""
        guesses = logits.topk(min(5, logits.shape[1]), dim=1).indices
        right = guesses == labels.unsqueeze(1)
        self.counts += torch.stack((right[:, 0].sum(), right.sum(), labels.new_tensor(len(labels))))

    def joined(self) -> TopK:
        """The counts of all processes, as a new metric."""
        whole = TopK(self.counts.device)
        whole.counts = total(self.counts.clone())
        return whole


class Classification(Task):
    """A class for every image.

    The output is logits `(N, classes)`, in training a pair with those of an auxiliary head if the
    network has one.

    Args:
        card: the data set.
        process: which device, and which share of a joined batch.
        loss: label smoothing and class weights.

    Raises:
        ValueError: not one weight a class, or a loss that is for pixels.
    """

    headline: ClassVar[str] = "top1"

    def __init__(self, card: DatasetCard, process: Process, loss: Loss | None = None) -> None:
        super().__init__(card, process)
        self._loss = loss or Loss()
        self._weights = class_weights(self._loss, card, process.device)
        if self._loss.kind != "cross_entropy":
            raise ValueError(f"loss.kind={self._loss.kind} is for segmentation; {card.name} is not")

    def loss(self, output: Any, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the images of the joined batch, float32.

        An auxiliary head adds its own, weighted (arXiv:1409.4842, section 5).
        """
        if not isinstance(output, tuple):
            return self._cross_entropy(output, labels)
        logits, auxiliary = output
        side = self._loss.auxiliary * self._cross_entropy(auxiliary, labels)
        return self._cross_entropy(logits, labels) + side

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = self._weights
        summed = F.cross_entropy(
            logits.float(),
            labels,
            weights,
            label_smoothing=self._loss.label_smoothing,
            reduction="sum",
        )
        share = labels.new_tensor(len(labels)) if weights is None else weights[labels].sum()
        return mean_of(summed, share, self.process)

    def metric(self) -> TopK:
        """An empty count."""
        return TopK(self.process.device)

    def count(self, metric: TopK, output: Any, labels: Tensor) -> None:
        """Adds images: logits `(N, classes)` and labels `(N,)`."""
        metric.update(labels, output[0] if isinstance(output, tuple) else output)

    def figures(self, metric: TopK) -> dict[str, float]:
        """`top1` and `top5` accuracy; NaN without images."""
        first, five, images = metric.counts.double().tolist()
        seen = images or float("nan")
        return {"top1": first / seen, "top5": five / seen}
