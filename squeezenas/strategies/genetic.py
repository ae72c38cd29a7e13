"""A genetic algorithm: generations of children of two parents (Genetic CNN, arXiv:1703.01513).

Crossover and mutation are those of the space, so every child is legal. A limit on cost is the
objective's matter: under `penalty` dear children lose, under `limit` they are never evaluated and
others are asked for in their place.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Hashable
from itertools import accumulate
from typing import ClassVar, Literal

from pydantic import Field

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Fraction, Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies

TRIES = 20  # to breed a child that nobody has evaluated, and to draw a random one in its place

Member = tuple[Architecture, float]


class GeneticConfig(Strict):
    """Keys of strategy genetic."""

    population: int = Field(10, ge=2)
    """Members of a generation; the first is random. 10 suit a few hundred trials; Genetic CNN has
    20."""
    elite: Fraction = 0.5
    """Share of the parents, the best ones, that may stay without another evaluation: the next
    parents are the best of them and of the new generation."""
    selection: Literal["tournament", "roulette", "rank"] = "tournament"
    """How parents are drawn. tournament: the best of some; roulette: by merit above the worst
    parent's (Genetic CNN); rank: by place from the worst, 1 for it."""
    tournament: Positive = 3
    """Members that meet in a tournament."""
    crossover: Fraction = 0.5
    """Probability that a child has two parents and not one."""
    mutations: float = Field(1.0, gt=0)
    """Mean number of mutations of a child; each choice of the space may have one."""


@ask_tell_strategies.register("genetic")
class Genetic(AskTellStrategy):
    """A generation is as many successful trials as the population has members, in order of telling.

    So nobody waits: who asks before a generation is complete gets one more child of its parents,
    which may count among the next.
    """

    Config: ClassVar[type[Strict]] = GeneticConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._seen: set[Hashable] = set()
        self._generation: list[Member] = []
        self._parents: list[Member] = []  # best first
        self._weights: list[float] = []

    @property
    def initial(self) -> int:
        """Evaluations that it begins with."""
        return int(self.config.population)

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """A child that nobody has evaluated, or a random architecture where none is easily bred."""
        rng = self.rng(number)
        running = {self.space.canonical(architecture) for architecture in pending}
        for attempt in range(2 * TRIES):
            bred = self._parents and attempt < TRIES
            child = self._child(rng) if bred else self.space.sample(rng)
            name = self.space.canonical(child)
            if name not in self._seen and name not in running:
                break
        return Proposal(child)

    def tell(self, trial: Trial) -> None:
        """Takes a trial into the generation, which replaces its parents once it is complete."""
        self._seen.add(self.space.canonical(trial.architecture))
        if trial.merit is None:
            return
        self._generation.append((trial.architecture, trial.merit))
        if len(self._generation) < self.config.population:
            return
        elite = round(self.config.elite * len(self._parents))
        pool = self._parents[:elite] + self._generation
        pool.sort(key=lambda member: -member[1])
        self._parents, self._generation = pool[: self.config.population], []
        self._weights = list(accumulate(self._shares()))

    def _child(self, rng: random.Random) -> Architecture:
        child = self._parent(rng)
        if rng.random() < self.config.crossover:
            child = self.space.crossover(child, self._parent(rng), rng)
        for _ in self.space.choices:
            if rng.random() * len(self.space.choices) < self.config.mutations:
                child = self.space.mutate(child, rng)
        return child

    def _parent(self, rng: random.Random) -> Architecture:
        if self.config.selection == "tournament":
            # Parents are sorted: the lowest place is the best.
            place = min(rng.randrange(len(self._parents)) for _ in range(self.config.tournament))
            return self._parents[place][0]
        return rng.choices(self._parents, cum_weights=self._weights)[0][0]

    def _shares(self) -> list[float]:
        """How often each parent is drawn, not normalised."""
        worst = self._parents[-1][1]
        if self.config.selection == "roulette" and self._parents[0][1] > worst:
            return [merit - worst for _, merit in self._parents]
        if self.config.selection == "rank":
            return [float(place) for place in range(len(self._parents), 0, -1)]
        return [1.0] * len(self._parents)
