"""What a one-shot strategy is: owner of the architecture parameters, taught by a supernet."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.registry import Registry
from squeezenas.core.space import SearchSpace
from squeezenas.core.strategy_config import Strategy
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
        training_loss: as `loss`, on the batch that the next weight step will take.
        reward: how well a path does on the held-out batch, all processes joined, higher is better,
            without gradients: the task's figure, or 80 / perplexity for language (ENAS).
        weights: the supernet's own parameters.
        virtual_update: from gradients of the weights to what a weight step would now subtract from
            them, and how fast that grows with the gradients: the learning rate, if none is clipped.
        untouched: within it weights and batch-norm statistics may change; then they are put back.
    """

    batch_size: int
    loss: Callable[[Path], Tensor]
    expected_cost: Callable[[dict[str, Tensor]], Tensor]
    penalised: Callable[[Tensor, Tensor, Tensor], Tensor]
    gradients: Callable[[Tensor, list[nn.Parameter]], list[Tensor] | None]
    training_loss: Callable[[Path], Tensor]
    reward: Callable[[Path], float]
    weights: list[nn.Parameter]
    virtual_update: Callable[[list[Tensor]], tuple[list[Tensor], float]]
    untouched: Callable[[], AbstractContextManager[None]]


Candidates = Generator[Architecture, tuple[Architecture, float], None]


class OneShotStrategy(ABC):
    """Moves through a space by gradients of a supernet.

    Args:
        space: the space.
        config: the regime's group `strategy`.
        seed: seed of the strategy's own draws, the same in every process.
        device: where the architecture parameters live.

    Attributes:
        needs_weights: whether `learn` takes gradients of the supernet's weights.
        hard: whether its paths run one option of each choice.
        finished: whether there is nothing more to learn; the search then ends early.
    """

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        self.space, self.config, self.seed, self.device = space, config, seed, device
        self.needs_weights = False
        self.hard = config.sampling == "hard"
        self.finished = False

    @abstractmethod
    def propose(self, batch_size: int) -> Path:
        """A path for the joined batch, differentiable in the architecture parameters if it can."""

    def paths(self, batch_size: int) -> list[Path]:
        """The paths of a weight step, whose losses are averaged."""
        return [self.propose(batch_size).detach()]

    @abstractmethod
    def learn(self, step: SearchStep) -> Metrics | None:
        """One architecture step; None when its gradients were not finite.

        Its metrics have `architecture/expected_cost`: what a network drawn from the distribution
        costs on average.
        """

    def end_epoch(self, step: SearchStep) -> Metrics:
        """What is to be measured or decided at the end of an epoch of architecture steps."""
        return {}

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

    def candidates(self, rng: random.Random) -> Candidates:
        """Architectures for the final choice, without end.

        After each, the one that was scored is sent back with its score, higher being better: the
        proposal, or one like it that is within the budget.
        """
        yield self.result()
        while True:
            yield self.sample(rng)

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed search needs."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


strategies: Registry[type[OneShotStrategy]] = Registry("strategy", "squeezenas.strategies")
