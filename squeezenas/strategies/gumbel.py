"""Gumbel-softmax search: SqueezeNAS (arXiv:1908.01748), FBNet (arXiv:1812.03443), SNAS.

The weights of a choice are `softmax((a + g) / T)` with architecture parameters `a`, Gumbel noise
`g` and temperature `T` (arXiv:1611.01144, eq. 2). Noise is drawn for each image, not once a batch;
as `T` falls the mixture of candidates becomes a choice of one.
"""

from __future__ import annotations

import math
import random
from typing import Any

import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strategy
from squeezenas.core.space import SearchSpace
from squeezenas.nn.path import Path
from squeezenas.strategies.base import Metrics, OneShotStrategy, SearchStep, strategies


@strategies.register("gumbel")
class Gumbel(OneShotStrategy):
    """Architecture parameters under Gumbel noise.

    With `sampling="hard"` one option of each choice runs for the whole batch, and the gradient of
    the relaxed weights is passed straight through (arXiv:1611.01144, section 2.2).
    """

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        super().__init__(space, config, seed, device)
        self.logits = {
            choice.key: nn.Parameter(torch.zeros(len(choice.options), device=device))
            for choice in space.choices
        }
        optimiser = config.optimiser
        parameters = list(self.logits.values())
        if optimiser.name == "adam":
            self._optimiser: torch.optim.Optimizer = torch.optim.Adam(
                parameters, optimiser.lr, optimiser.betas, weight_decay=optimiser.weight_decay
            )
        else:
            self._optimiser = torch.optim.SGD(
                parameters, optimiser.lr, momentum=0.9, weight_decay=optimiser.weight_decay
            )
        self._noise = torch.Generator().manual_seed(seed)
        self.temperature = config.temperature.start

    def anneal(self, progress: float) -> None:
        """Temperature from `start` at progress 0 to `end` at 1, on a line or exponentially."""
        schedule = self.config.temperature
        if schedule.schedule == "linear":
            self.temperature = schedule.start + progress * (schedule.end - schedule.start)
        else:
            self.temperature = schedule.start * (schedule.end / schedule.start) ** progress

    def propose(self, batch_size: int) -> Path:
        """Weights `(options, batch)` for each choice; one column for all images when hard."""
        columns = 1 if self.config.sampling == "hard" else batch_size
        soft = {}
        for key, logits in self.logits.items():
            uniform = torch.empty(len(logits), columns).exponential_(generator=self._noise)
            noisy = logits[:, None] - uniform.log().to(logits.device)
            soft[key] = torch.softmax(noisy / self.temperature, dim=0)
        if self.config.sampling == "soft":
            return Path(soft)
        picks = {key: int(weights.argmax()) for key, weights in soft.items()}
        hard = {}
        for key, weights in soft.items():
            one = torch.zeros_like(weights)
            one[picks[key]] = 1.0
            hard[key] = (weights - weights.detach() + one).expand(-1, batch_size)
        return Path(hard, picks)

    def learn(self, step: SearchStep) -> Metrics | None:
        """One step on the penalised held-out loss."""
        path = self.propose(step.batch_size)
        task_loss = step.loss(path)
        cost = step.expected_cost(self._softmax())
        loss = step.penalised(task_loss, step.expected_cost(path), cost)
        parameters = list(self.logits.values())
        gradients = step.gradients(loss, parameters)
        if gradients is None:
            return None
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self._optimiser.step()
        return {
            "architecture/expected_cost": float(cost.detach()),
            "architecture/temperature": self.temperature,
        }

    def _softmax(self) -> dict[str, Tensor]:
        return {key: torch.softmax(logits, dim=0) for key, logits in self.logits.items()}

    def probabilities(self) -> dict[str, Tensor]:
        """The softmax of the parameters: how often `sample` picks each option."""
        return {key: p.detach().cpu() for key, p in self._softmax().items()}

    def sample(self, rng: random.Random) -> Architecture:
        """By the Gumbel-max trick: the argmax of parameters and noise."""
        picks = []
        for logits in self.logits.values():
            noisy = [a + _gumbel(rng) for a in logits.tolist()]
            picks.append(noisy.index(max(noisy)))
        return self.space.architecture(picks)

    def result(self) -> Architecture:
        """The most probable option of each choice."""
        return self.space.derive({key: logits.tolist() for key, logits in self.logits.items()})

    def state_dict(self) -> dict[str, Any]:
        """Parameters, optimiser, noise generator."""
        return {
            "logits": {key: logits.detach().cpu() for key, logits in self.logits.items()},
            "optimiser": self._optimiser.state_dict(),
            "noise": self._noise.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave; the temperature follows from `anneal`."""
        with torch.no_grad():
            for key, logits in self.logits.items():
                logits.copy_(state["logits"][key])
        self._optimiser.load_state_dict(state["optimiser"])
        self._noise.set_state(state["noise"])


def _gumbel(rng: random.Random) -> float:
    """A standard Gumbel number: minus the logarithm of a standard exponential one."""
    return -math.log(rng.expovariate(1.0))
