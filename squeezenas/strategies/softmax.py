"""What strategies with a row of logits for each choice share: gumbel and darts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace
from squeezenas.core.strategy_config import ArchitectureOptimiser, Strategy
from squeezenas.nn.path import Path
from squeezenas.strategies.base import OneShotStrategy, SearchStep


def architecture_optimiser(
    parameters: Iterable[nn.Parameter], config: ArchitectureOptimiser
) -> torch.optim.Optimizer:
    """The optimiser of architecture parameters."""
    if config.name == "adam":
        return torch.optim.Adam(
            parameters, config.lr, config.betas, weight_decay=config.weight_decay
        )
    return torch.optim.SGD(parameters, config.lr, momentum=0.9, weight_decay=config.weight_decay)


class SoftmaxStrategy(OneShotStrategy):
    """Architecture parameters whose softmax is a distribution over the options of each choice.

    Attributes:
        logits: choice key -> architecture parameters `(options,)`, zero at first.
    """

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        super().__init__(space, config, seed, device)
        self.logits = {
            choice.key: nn.Parameter(torch.zeros(len(choice.options), device=device))
            for choice in space.choices
        }
        self._optimiser = architecture_optimiser(self.logits.values(), config.optimiser)
        self._noise = torch.Generator().manual_seed(seed)

    def _penalised(self, step: SearchStep, path: Path) -> tuple[Tensor, Tensor]:
        """The held-out loss with its penalty, and the expected cost."""
        task_loss = step.loss(path)
        cost = step.expected_cost(self._softmax())
        return step.penalised(task_loss, step.expected_cost(path), cost), cost

    def _descend(self, gradients: list[Tensor]) -> None:
        for parameter, gradient in zip(self.logits.values(), gradients, strict=True):
            parameter.grad = gradient
        self._optimiser.step()

    def _softmax(self) -> dict[str, Tensor]:
        return {key: torch.softmax(logits, dim=0) for key, logits in self.logits.items()}

    def probabilities(self) -> dict[str, Tensor]:
        """The softmax of the parameters."""
        return {key: p.detach().cpu() for key, p in self._softmax().items()}

    def sample(self, rng: random.Random) -> Architecture:
        """By the Gumbel-max trick: derived from log-probabilities with noise.

        Where choices are independent each is drawn from its softmax.
        """
        return self.space.derive(
            {
                key: [p + _gumbel(rng) for p in logits.double().log_softmax(0).tolist()]
                for key, logits in self.logits.items()
            }
        )

    def result(self) -> Architecture:
        """What the space derives from the probabilities."""
        return self.space.derive({key: p.tolist() for key, p in self.probabilities().items()})

    def state_dict(self) -> dict[str, Any]:
        """Parameters, optimiser, noise generator."""
        return {
            "logits": {key: logits.detach().cpu() for key, logits in self.logits.items()},
            "optimiser": self._optimiser.state_dict(),
            "noise": self._noise.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave; what `anneal` sets follows from it."""
        self._set_logits(state["logits"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._noise.set_state(state["noise"])

    @torch.no_grad()
    def _set_logits(self, values: dict[str, Tensor]) -> None:
        for key, logits in self.logits.items():
            logits.copy_(values[key])


def _gumbel(rng: random.Random) -> float:
    """A standard Gumbel number: minus the logarithm of a standard exponential one."""
    return -math.log(rng.expovariate(1.0))
