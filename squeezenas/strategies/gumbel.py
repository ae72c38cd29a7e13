"""Gumbel-softmax search: SqueezeNAS (arXiv:1908.01748), FBNet (arXiv:1812.03443), SNAS.

The weights of a choice are `softmax((a + g) / T)` with architecture parameters `a`, Gumbel noise
`g` and temperature `T` (arXiv:1611.01144, eq. 2). Noise is drawn for each image, not once a batch;
as `T` falls the mixture of candidates becomes a choice of one.
"""

from __future__ import annotations

from typing import Any

import torch

from squeezenas.core.space import SearchSpace
from squeezenas.core.strategy_config import Strategy
from squeezenas.nn.path import Path
from squeezenas.strategies.base import Metrics, SearchStep, strategies
from squeezenas.strategies.softmax import SoftmaxStrategy


@strategies.register("gumbel")
class Gumbel(SoftmaxStrategy):
    """Architecture parameters under Gumbel noise.

    With `sampling="hard"` one option of each choice runs for the whole batch, and the gradient of
    the relaxed weights is passed straight through (arXiv:1611.01144, section 2.2).
    """

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        super().__init__(space, config, seed, device)
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
        loss, cost = self._penalised(step, self.propose(step.batch_size))
        gradients = step.gradients(loss, list(self.logits.values()))
        if gradients is None:
            return None
        self._descend(gradients)
        return {
            "architecture/expected_cost": float(cost.detach()),
            "architecture/temperature": self.temperature,
        }
