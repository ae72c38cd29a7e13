"""ENAS: Efficient Neural Architecture Search via Parameter Sharing (arXiv:1802.03268).

A controller samples architectures; the shared weights learn on one of them a step (M = 1), the
controller by REINFORCE from the rewards of several. Here both take turns every step, not every
epoch, and options that no legal architecture has are never drawn. Cost is not part of the reward:
the final selection keeps to the budget.
"""

from __future__ import annotations

import math
import random
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace
from squeezenas.core.strategy_config import Strategy
from squeezenas.nn.controller import Controller, Decide, Rollout
from squeezenas.nn.path import Path
from squeezenas.strategies.base import Metrics, OneShotStrategy, SearchStep, strategies
from squeezenas.strategies.softmax import architecture_optimiser


@strategies.register("enas")
class Enas(OneShotStrategy):
    """A controller taught by rewards.

    It lives on the CPU, whatever the device: its steps are too small for a GPU. All processes hear
    the same rewards, draw the same architectures and so keep the same controller.
    """

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        super().__init__(space, config, seed, device)
        self.hard = True
        self._draws = torch.Generator().manual_seed(seed)
        keys = config.enas
        self.controller = Controller(space.choices, keys.temperature, keys.tanh, self._draws)
        self._optimiser = architecture_optimiser(self.controller.parameters(), config.optimiser)
        self._baseline: float | None = None
        self._marginals = _marginals(self._drawn(keys.samples, self._draws))

    def anneal(self, progress: float) -> None:
        """Nothing: temperature and weights of the reward are constant."""

    def propose(self, batch_size: int) -> Path:
        """The hard path of one sampled architecture, `(options, 1)`."""
        return self._path(self._architectures(self._drawn(1, self._draws))[0])

    def learn(self, step: SearchStep) -> Metrics | None:
        """One step of the controller on the rewards of sampled architectures."""
        rollout = self._roll_out(self.config.enas.samples, _sampled(self._draws))
        paths = [self._path(architecture) for architecture in self._architectures(rollout)]
        rewards = [step.reward(path) for path in paths]
        if not all(map(math.isfinite, rewards)):
            return None
        mean, decay = fmean(rewards), self.config.enas.baseline_decay
        baseline = mean if self._baseline is None else self._baseline
        self._optimiser.zero_grad()
        self.loss(rollout, torch.tensor(rewards) - baseline).backward()
        self._optimiser.step()
        self._baseline = decay * baseline + (1 - decay) * mean
        self._marginals = _marginals(rollout)
        return {
            "architecture/expected_cost": fmean(float(step.expected_cost(path)) for path in paths),
            "architecture/reward": mean,
            "architecture/baseline": baseline,
        }

    def loss(self, rollout: Rollout, advantages: Tensor) -> Tensor:
        """What the controller descends: REINFORCE with an entropy bonus, a scalar.

        Minus the mean of `(reward - baseline) log p` (section 2.2) and of the weighted entropy of
        the decisions on the way. Where skip connections have a prior, the divergence
        `KL(p || prior)` is added, its mean over all choices of a skip or none (section 3.2).

        Args:
            rollout: sampled architectures.
            advantages: reward minus baseline, `(architectures,)`.
        """
        keys = self.config.enas
        loss = -(advantages * rollout.log_prob() + keys.entropy * rollout.entropy()).mean()
        binary = [
            row
            for row, choice in zip(rollout.rows, self.space.choices, strict=True)
            if choice.options[1:] == (self.space.skip,)
        ]
        if keys.skip_weight and binary:
            rows = torch.stack(binary)
            prior = torch.tensor([1 - keys.skip_prior, keys.skip_prior], dtype=rows.dtype)
            loss = loss + keys.skip_weight * (rows.exp() * (rows - prior.log())).sum(-1).mean()
        return loss

    def log_prob(self, architecture: Architecture) -> Tensor:
        """Log-probability that the controller samples this architecture, a differentiable scalar.

        Of an architecture that is not legal, a number whose exponential is 0.
        """
        picks = torch.tensor(architecture.picks)
        return self._roll_out(1, lambda number, _: picks[number : number + 1]).log_prob()[0]

    def probabilities(self) -> dict[str, Tensor]:
        """How often each option is picked: a mean over the architectures that were last learned
        from, of the softmax given the picks before.
        """
        keys = (choice.key for choice in self.space.choices)
        return dict(zip(keys, self._marginals, strict=True))

    def sample(self, rng: random.Random) -> Architecture:
        """An architecture drawn by the controller."""
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        return self._architectures(self._drawn(1, generator))[0]

    @torch.no_grad()
    def result(self) -> Architecture:
        """The most probable option of each choice in turn, given those before it."""
        return self._architectures(self._roll_out(1, lambda _, rows: rows.argmax(1)))[0]

    def state_dict(self) -> dict[str, Any]:
        """Controller, optimiser, baseline, generator, and what `probabilities` gives."""
        return {
            "controller": self.controller.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "baseline": self._baseline,
            "draws": self._draws.get_state(),
            "marginals": list(self._marginals),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.controller.load_state_dict(state["controller"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._baseline = state["baseline"]
        self._draws.set_state(state["draws"])
        self._marginals = list(state["marginals"])

    def _roll_out(self, architectures: int, decide: Decide) -> Rollout:
        rollout: Rollout = self.controller(architectures, decide, self.space.allowed)
        return rollout

    @torch.no_grad()
    def _drawn(self, architectures: int, generator: torch.Generator) -> Rollout:
        return self._roll_out(architectures, _sampled(generator))

    def _architectures(self, rollout: Rollout) -> list[Architecture]:
        return [self.space.architecture(picks) for picks in rollout.picks.tolist()]

    def _path(self, architecture: Architecture) -> Path:
        with torch.device(self.device):
            return Path.of(architecture, self.space.choices)


def _sampled(generator: torch.Generator) -> Decide:
    return lambda _, rows: torch.multinomial(rows, 1, generator=generator)[:, 0]


def _marginals(rollout: Rollout) -> list[Tensor]:
    """The mean probability of each option, a float32 row for each choice."""
    return [row.detach().exp().mean(0).float() for row in rollout.rows]
