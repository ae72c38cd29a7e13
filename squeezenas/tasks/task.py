"""What a training loop needs to know of a task, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import Process, total


class Inputs(NamedTuple):
    """Normalised images `(N, 3, H, W)` float32, channels_last, and labels int64."""

    images: Tensor
    labels: Tensor


def mean_of(summed: Tensor, share: Tensor, process: Process) -> Tensor:
    """The mean over the joined batch as each process contributes to it; 0 where nothing counts.

    Args:
        summed: the losses of this process, added up.
        share: how much of them counts: pixels, images, or the sum of their weights.
        process: this process.
    """
    joined = total(share)
    divisor = torch.where(joined > 0, joined, torch.ones_like(joined))
    return torch.where(joined > 0, summed * process.world_size / divisor, summed * 0)


class Task(ABC):
    """How the images of a data set enter a network and how its output is judged.

    Args:
        card: the data set.
        process: which device, and which share of a joined batch.
    """

    headline: ClassVar[str]
    """The figure that ranks networks, one of `figures`."""

    def __init__(self, card: DatasetCard, process: Process) -> None:
        self.classes, self.process = card.num_classes, process
        device = process.device
        self._mean = torch.tensor(card.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(card.std, device=device).view(1, 3, 1, 1)

    def prepare(self, images: Tensor, labels: Tensor) -> Inputs:
        """From the loader's uint8 images and labels to what `loss` reads, on the device."""
        device = self.process.device
        pixels = images.to(device, non_blocking=True).float().div_(255)
        normalised = pixels.sub_(self._mean).div_(self._std)
        return Inputs(normalised, labels.to(device, non_blocking=True).long())

    @abstractmethod
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of the joined batch, float32.

        Each process returns its part times the number of processes, so that averaging gradients
        gives those of the joined batch.
        """

    @abstractmethod
    def metric(self) -> Any:
        """An empty metric, for `count`; its method `joined()` adds up all processes."""

    @abstractmethod
    def count(self, metric: Any, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch to a metric."""

    @abstractmethod
    def figures(self, metric: Any) -> dict[str, float]:
        """The figures of a metric by name, each in 0..1."""
