"""The confusion matrix of a segmentation, exact integers, and the figures read from it."""

from __future__ import annotations

import torch
from torch import Tensor

from squeezenas.engine.distributed import total


class ConfusionMatrix:
    """Counts pixels by true class (rows) and predicted class (columns).

    Args:
        classes: number of classes.
        ignore_index: label that is not counted.
        device: where the counts live.
    """

    def __init__(self, classes: int, ignore_index: int, device: torch.device) -> None:
        self.classes, self.ignore_index = classes, ignore_index
        self.counts = torch.zeros(classes, classes, dtype=torch.int64, device=device)

    def update(self, labels: Tensor, predictions: Tensor) -> None:
        """Adds pixels; `labels` and `predictions` are integer tensors of one shape."""
        counted = labels != self.ignore_index
        pairs = labels[counted].long() * self.classes + predictions[counted].long()
        self.counts += torch.bincount(pairs, minlength=self.classes**2).view_as(self.counts)

    def joined(self) -> ConfusionMatrix:
        """The counts of all processes, as a new matrix."""
        whole = ConfusionMatrix(self.classes, self.ignore_index, self.counts.device)
        whole.counts = total(self.counts.clone())
        return whole

    def class_iou(self) -> Tensor:
        """Intersection over union of each class `(classes,)`, float64.

        NaN for classes that are in no label and no prediction.
        """
        counts = self.counts.double()
        hits = counts.diagonal()
        return hits / (counts.sum(0) + counts.sum(1) - hits)

    def miou(self) -> float:
        """Mean of the class IoUs that are defined, as in cityscapesScripts; NaN if none is."""
        return float(torch.nanmean(self.class_iou()))

    def pixel_accuracy(self) -> float:
        """Share of the counted pixels that are right; NaN without any."""
        counts = self.counts.double()
        return float(counts.diagonal().sum() / counts.sum())
