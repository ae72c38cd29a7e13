"""What a training loop needs to know of a task, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.figures import FIGURES, Figure
from squeezenas.engine.distributed import Process, total
from squeezenas.nn.path import Path

State = tuple[Tensor, ...]
"""What a recurrent network carries from one segment of a text to the next."""


class Inputs(NamedTuple):
    """Normalised images `(N, 3, H, W)` float32, channels_last, and labels int64.

    Of a text both are int64 `(T, N)`: words of N columns, and the words that follow them.
    """

    images: Tensor
    labels: Tensor


def finite_state(state: State | None) -> bool:
    """Whether a text can go on from a state: one bad step would spoil all that follow."""
    return state is None or all(bool(tensor.isfinite().all()) for tensor in state)


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
    """How the samples of a data set enter a network and how its output is judged.

    An *output* is whatever the network returns; only its task looks into it.

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

    @property
    def figure(self) -> Figure:
        """What the headline is called, and which way is up."""
        return FIGURES[self.headline]

    def run(
        self, network: nn.Module, inputs: Inputs, path: Path | None = None, state: Any = None
    ) -> Any:
        """The output of a network, or of a path through a supernet.

        Args:
            network: what is run.
            inputs: a batch.
            path: of a supernet.
            state: what `carried` gave for the segment before; only texts have one.
        """
        return network(inputs.images) if path is None else network(inputs.images, path)

    def carried(self, output: Any) -> State | None:
        """What the next segment begins with, detached; None for what has no order."""
        return None

    def rate_scale(self, inputs: Inputs) -> float:
        """What the learning rate of a step on this batch is multiplied by."""
        return 1.0

    def reward(self, metric: Any) -> float:
        """A metric as one number from 0, higher is better."""
        return self.figures(metric)[self.headline]

    @abstractmethod
    def loss(self, output: Any, labels: Tensor) -> Tensor:
        """The mean loss of the joined batch, float32.

        Each process returns its part times the number of processes, so that averaging gradients
        gives those of the joined batch.
        """

    def regularisation(self, output: Any) -> Tensor | float:
        """What training adds to the loss for the sake of what the network outputs."""
        return 0.0

    @abstractmethod
    def metric(self) -> Any:
        """An empty metric, for `count`; its method `joined()` adds up all processes."""

    @abstractmethod
    def count(self, metric: Any, output: Any, labels: Tensor) -> None:
        """Adds a batch to a metric."""

    def watch(self, metric: Any, output: Any, labels: Tensor) -> None:
        """As `count`, or so much of it as is cheap: for what is shown during training."""
        self.count(metric, output, labels)

    @abstractmethod
    def figures(self, metric: Any) -> dict[str, float]:
        """The figures of a metric by name."""
