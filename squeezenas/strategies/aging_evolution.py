"""Regularized Evolution for Image Classifier Architecture Search (AmoebaNet, arXiv:1802.01548).

Algorithm 1: the best of a random sample of the population is mutated, and the oldest member dies.
Mutations are those of the space: in spaces of cells an input or an operation changes (section 3.1).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection
from typing import ClassVar

from pydantic import Field

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Fraction, Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies


class AgingEvolutionConfig(Strict):
    """Keys of strategy aging_evolution; those of the paper are for 20,000 trials."""

    population: int = Field(100, ge=2)
    """Members that are alive; the first ones are random (P). 50 suit a few hundred trials."""
    sample: Positive = 25
    """Members drawn with replacement, of which the best becomes the parent (S)."""
    identity: Fraction = 0.05
    """Probability that a child is its parent, evaluated again."""
    aging: bool = True
    """true: the oldest member dies; false: the worst of the sample, the tournament of before."""


@ask_tell_strategies.register("aging_evolution")
class AgingEvolution(AskTellStrategy):
    """A queue of told trials, at most `population` long; failed ones never enter it.

    What happens in parallel is asynchronous: a child enters when it is told, however many were
    asked since its parent was drawn.
    """

    Config: ClassVar[type[Strict]] = AgingEvolutionConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._population: deque[tuple[Architecture, float]] = deque()

    @property
    def initial(self) -> int:
        """Evaluations that it begins with."""
        return int(self.config.population)

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """A random architecture while the population grows, then a child of its best sample."""
        rng = self.rng(number)
        notes = {} if self.config.aging else {"draw": number}
        if len(self._population) < self.config.population:
            return Proposal(self.space.sample(rng), notes)
        parent, _ = max((self._population[i] for i in self._sample(rng)), key=lambda m: m[1])
        if rng.random() < self.config.identity:
            return Proposal(parent, notes)
        return Proposal(self.space.mutate(parent, rng), notes)

    def tell(self, trial: Trial) -> None:
        """Takes a trial into the population, from which another disappears once it is full.

        The worst of the sample is that of the sample its parent was drawn from: the same draws, as
        long as nothing was told between.
        """
        if trial.merit is None:
            return
        population = self._population
        if len(population) >= self.config.population:
            dead = 0
            if not self.config.aging:
                sample = self._sample(self.rng(trial.notes.get("draw", trial.number)))
                dead = min(sample, key=lambda i: population[i][1])
            del population[dead]
        population.append((trial.architecture, trial.merit))

    def _sample(self, rng: random.Random) -> list[int]:
        """Places of S members, drawn with replacement."""
        return rng.choices(range(len(self._population)), k=self.config.sample)
