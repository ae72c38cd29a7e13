"""Semantic segmentation: cross-entropy over the pixels that have a label, and mean IoU."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import Process, total
from squeezenas.tasks.confusion import ConfusionMatrix


class Inputs(NamedTuple):
    """Normalised images `(N, 3, H, W)` float32, channels_last, and labels `(N, H, W)` int64."""

    images: Tensor
    labels: Tensor


class Segmentation:
    """The task of a data set: how its images enter a network and how its output is judged.

    Args:
        card: the data set.
        process: which device, and which share of a joined batch.
    """

    def __init__(self, card: DatasetCard, process: Process) -> None:
        self.classes, self.ignore_index = card.num_classes, card.ignore_index
        self.process = process
        device = process.device
        self._mean = torch.tensor(card.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(card.std, device=device).view(1, 3, 1, 1)

    def prepare(self, images: Tensor, labels: Tensor) -> Inputs:
        """From the loader's uint8 images and labels to what `loss` reads, on the device."""
        device = self.process.device
        pixels = images.to(device, non_blocking=True).float().div_(255)
        normalised = pixels.sub_(self._mean).div_(self._std)
        return Inputs(normalised, labels.to(device, non_blocking=True).long())

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the labelled pixels of the joined batch, float32.

        Each process returns its part times the number of processes, so that averaging gradients
        gives those of the joined batch whatever the share of ignored pixels.
        """
        summed = F.cross_entropy(
            logits.float(), labels, ignore_index=self.ignore_index, reduction="sum"
        )
        count = total((labels != self.ignore_index).sum())
        return summed * self.process.world_size / count.clamp(min=1)

    def metric(self) -> ConfusionMatrix:
        """An empty metric."""
        return ConfusionMatrix(self.classes, self.ignore_index, self.process.device)
