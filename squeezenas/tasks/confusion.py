"""The confusion matrix of a segmentation, exact integers, and the figures read from it.

The figures are those of cityscapesScripts (`evalPixelLevelSemanticLabeling.py`), the program behind
the Cityscapes benchmark (Cordts et al., CVPR 2016, arXiv:1604.01685): pixels whose label is ignored
count nowhere, and a prediction that is no class is a miss of the label's class and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from squeezenas.engine.distributed import total

CHUNK = 1 << 24
"""Pixels OpenCV counts at a time: its counts come as float32, exact up to here."""


class ConfusionMatrix:
    """Counts pixels by true class (rows) and predicted class (columns).

    Args:
        classes: number of classes.
        ignore_index: label that is not counted.
        device: where the counts live.

    Attributes:
        counts: int64 `(classes, classes + 1)`; the last column holds predictions that are no class,
            such as `ignore_index` in a prediction read from a file.
    """

    def __init__(self, classes: int, ignore_index: int, device: torch.device) -> None:
        self.classes, self.ignore_index = classes, ignore_index
        self.counts = torch.zeros(classes, classes + 1, dtype=torch.int64, device=device)

    def update(self, labels: Tensor, predictions: Tensor) -> None:
        """Adds pixels; `labels` and `predictions` are integer tensors of one shape.

        Bytes on the CPU are the fast case.

        Raises:
            ValueError: the shapes differ, or a label is neither a class nor `ignore_index`.
        """
        if labels.shape != predictions.shape:
            raise ValueError(
                f"labels {tuple(labels.shape)} and predictions {tuple(predictions.shape)} "
                "must have one shape"
            )
        byte = labels.dtype == predictions.dtype == torch.uint8
        on_cpu = labels.device.type == predictions.device.type == "cpu"
        counted = (self._bytes if byte and on_cpu else self._integers)(labels, predictions)
        if strange := counted[self.classes + 1 :].sum(1).nonzero().flatten().tolist():
            raise ValueError(
                f"labels {[self.classes + i for i in strange]} are no classes (0.."
                f"{self.classes - 1}) and not {self.ignore_index}, which is ignored; correct them"
            )
        self.counts += counted[1 : self.classes + 1].to(self.counts.device)

    def _bytes(self, labels: Tensor, predictions: Tensor) -> Tensor:
        """As `_integers`, several times as fast."""
        pairs = np.zeros((256, 256), np.int64)
        chunks = zip(labels.flatten().split(CHUNK), predictions.flatten().split(CHUNK), strict=True)
        for label, prediction in chunks:
            arrays = [label.numpy(), prediction.numpy()]
            found = cv2.calcHist(arrays, [0, 1], None, [256, 256], [0, 256, 0, 256])
            pairs += found.astype(np.int64)
        rows = np.concatenate([pairs[self.ignore_index, None], pairs])
        rows[self.ignore_index + 1] = 0
        beyond = rows[:, self.classes :].sum(axis=1, keepdims=True)
        return torch.from_numpy(np.concatenate([rows[:, : self.classes], beyond], axis=1))

    def _integers(self, labels: Tensor, predictions: Tensor) -> Tensor:
        """Counts of pairs `(.., classes + 1)`: a row of ignored labels, then one for each label."""
        side = self.classes + 1
        rows = torch.where(labels == self.ignore_index, 0, labels.int() + 1)
        pairs = rows * side + predictions.clamp(max=self.classes).int()
        found = torch.bincount(pairs.flatten(), minlength=side**2)
        return F.pad(found, (0, -len(found) % side)).view(-1, side)

    def joined(self) -> ConfusionMatrix:
        """The counts of all processes, as a new matrix."""
        whole = ConfusionMatrix(self.classes, self.ignore_index, self.counts.device)
        whole.counts = total(self.counts.clone())
        return whole

    def present(self) -> Tensor:
        """Whether each class occurs in the labels, bool `(classes,)`."""
        return self.counts.sum(1) > 0

    def class_iou(self) -> Tensor:
        """Intersection over union of each class `(classes,)`, float64.

        NaN for classes that are in no label and in no prediction of a labelled pixel.
        """
        return self._iou(torch.eye(self.classes, dtype=torch.float64, device=self.counts.device))

    def category_iou(self, categories: Sequence[Sequence[int]]) -> Tensor:
        """IoU of groups of classes scored as one class each `(categories,)`, float64.

        A class taken for another of its group is a hit.

        Args:
            categories: train ids of each group.
        """
        return self._iou(self._members(categories))

    def class_accuracy(self) -> Tensor:
        """Share of each class's labelled pixels that are right `(classes,)`, float64; else NaN."""
        counts = self.counts.double()
        return counts.diagonal() / counts.sum(1)

    def false_positives(self, categories: Sequence[Sequence[int]]) -> Tensor:
        """Pixels labelled outside of each group and predicted in it `(categories,)`, float64."""
        members, counts = self._members(categories), self.counts[:, :-1].double()
        return members @ counts.sum(0) - ((members @ counts) * members).sum(1)

    def miou(self) -> float:
        """Mean of the class IoUs that are defined, as in cityscapesScripts; NaN if none is.

        A class that is in no label counts 0 as soon as one pixel is predicted to be it.
        """
        return float(torch.nanmean(self.class_iou()))

    def present_miou(self) -> float:
        """Mean IoU of the classes that occur in the labels; NaN if none does."""
        return float(self.class_iou()[self.present()].mean())

    def pixel_accuracy(self) -> float:
        """Share of the counted pixels that are right; NaN without any."""
        counts = self.counts.double()
        return float(counts.diagonal().sum() / counts.sum())

    def _members(self, categories: Sequence[Sequence[int]]) -> Tensor:
        """1 where a class is in a group `(categories, classes)`, float64."""
        shape = len(categories), self.classes
        members = torch.zeros(shape, dtype=torch.float64, device=self.counts.device)
        for row, classes in zip(members, categories, strict=True):
            row[list(classes)] = 1
        return members

    def _iou(self, members: Tensor) -> Tensor:
        counts = self.counts.double()
        hits = ((members @ counts[:, :-1]) * members).sum(1)
        return hits / (members @ counts.sum(1) + members @ counts[:, :-1].sum(0) - hits)
