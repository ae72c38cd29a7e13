"""What a one-shot strategy is: owner of the architecture parameters, taught by a supernet."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strategy
from squeezenas.core.registry import Registry
from squeezenas.core.space import SearchSpace
from squeezenas.nn.path import Path

Metrics = dict[str, float]


@dataclass(frozen=True)
class SearchStep:
    """What an architecture step may ask for.

    Args:
        batch_size: images of the joined batch.
        loss: held-out task loss of a path, this process's part; `gradients` joins the parts.
        expected_cost: cost of a path or of probabilities, differentiable.
        penalised: from task loss, the path's cost and the probabilities' cost to the total loss.
        gradients: of a loss by parameters, averaged over processes; None when not finite.
    """

    batch_size: int
    loss: Callable[[Path], Tensor]
    expected_cost: Callable[[dict[str, Tensor]], Tensor]
    penalised: Callable[[Tensor, Tensor, Tensor], Tensor]
    gradients: Callable[[Tensor, list[nn.Parameter]], list[Tensor] | None]


class OneShotStrategy(ABC):
    """Moves through a space by gradients of a supernet.

    Args:
        space: the space.
        config: the regime's group `strategy`.
        seed: seed of the strategy's own draws, the same in every process.
        device: where the architecture parameters live.
    """

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        self.space, self.config, self.seed, self.device = space, config, seed, device

    @abstractmethod
    def propose(self, batch_size: int) -> Path:
        """A path for the joined batch, differentiable in the architecture parameters."""

    @abstractmethod
    def learn(self, step: SearchStep) -> Metrics | None:
        """One architecture step; None when its gradients were not finite.

        Its metrics have `architecture/expected_cost`: what a network drawn from the distribution
        costs on average.
        """

    @abstractmethod
    def anneal(self, progress: float) -> None:
        """Sets temperatures and schedules; `progress` runs from 0 to 1."""

    @abstractmethod
    def probabilities(self) -> dict[str, Tensor]:
        """Choice key -> probability of each option `(options,)`, float32 on the CPU."""

    @abstractmethod
    def sample(self, rng: random.Random) -> Architecture:
        """An architecture drawn from the learned distribution."""

    @abstractmethod
    def result(self) -> Architecture:
        """The architecture the strategy believes in most."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed search needs."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


strategies: Registry[type[OneShotStrategy]] = Registry("strategy", "squeezenas.strategies")
