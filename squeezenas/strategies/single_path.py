"""Single Path One-Shot (arXiv:1904.00420): the supernet learns on uniformly drawn architectures.

Nothing is learned about the architecture meanwhile; evolution with inherited weights finds it
afterwards. With strict fairness (FairNAS, arXiv:1907.01845) a weight step runs every
option of every choice exactly once.
"""

from __future__ import annotations

import math
import random
from typing import Any

import torch
from torch import Tensor

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace
from squeezenas.core.strategy_config import Strategy
from squeezenas.nn.path import Path
from squeezenas.strategies.base import Candidates, Metrics, OneShotStrategy, SearchStep, strategies
from squeezenas.strategies.evolution import evolve


@strategies.register("single_path")
class SinglePath(OneShotStrategy):
    """Uniform or strictly fair sampling, then evolutionary selection.

    Raises:
        ValueError: strict fairness is asked for in a space whose choices differ in their number of
            options or depend on each other.
    """

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        super().__init__(space, config, seed, device)
        self.hard = True
        self._rng = random.Random(seed)
        counts = [len(choice.options) for choice in space.choices]
        if config.single_path.fair and (len(set(counts)) > 1 or space.size() < math.prod(counts)):
            raise ValueError(
                f"strategy.single_path.fair=true wants independent choices with equally many "
                f"options, which {space.name} has not; use fair=false"
            )

    def anneal(self, progress: float) -> None:
        """Nothing: the distribution stays uniform."""

    def propose(self, batch_size: int) -> Path:
        """The hard path of a random architecture, `(options, 1)`."""
        return self._path(self.space.sample(self._rng))

    def paths(self, batch_size: int) -> list[Path]:
        """One random path; with strict fairness as many as a choice has options.

        Each option is then in one of them: every choice goes through a permutation of its own.
        """
        if not self.config.single_path.fair:
            return super().paths(batch_size)
        permutations = [
            self._rng.sample(range(len(choice.options)), len(choice.options))
            for choice in self.space.choices
        ]
        return [
            self._path(self.space.architecture(picks)) for picks in zip(*permutations, strict=True)
        ]

    def learn(self, step: SearchStep) -> Metrics | None:
        """Nothing is learned here; tells what a network costs where each option is as likely."""
        return {"architecture/expected_cost": float(step.expected_cost(self.probabilities()))}

    def probabilities(self) -> dict[str, Tensor]:
        """The same for all options of a choice."""
        return {
            choice.key: torch.full((len(choice.options),), 1 / len(choice.options))
            for choice in self.space.choices
        }

    def sample(self, rng: random.Random) -> Architecture:
        """A random architecture."""
        return self.space.sample(rng)

    def result(self) -> Architecture:
        """What the space derives where no option is preferred."""
        return self.space.derive({key: p.tolist() for key, p in self.probabilities().items()})

    def candidates(self, rng: random.Random) -> Candidates:
        """The proposals of an evolution."""
        return evolve(self.space, self.config.single_path, rng)

    def state_dict(self) -> dict[str, Any]:
        """The generator."""
        return {"rng": self._rng.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        version, internal, gauss_next = state["rng"]
        self._rng.setstate((version, tuple(internal), gauss_next))

    def _path(self, architecture: Architecture) -> Path:
        with torch.device(self.device):
            return Path.of(architecture, self.space.choices)
