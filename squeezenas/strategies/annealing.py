"""Simulated annealing (Kirkpatrick, Gelatt and Vecchi, Science 220, 1983).

A walk through neighbours, which are the mutations of the space: a better one is always moved to, a
worse one with the probability of Metropolis, exp(-loss / temperature).
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Collection
from typing import ClassVar

from pydantic import Field

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies


class AnnealingConfig(Strict):
    """Keys of strategy annealing."""

    startup: Positive = 10
    """Random architectures, the best of which the walk starts from."""
    temperature: float = Field(0.2, gt=0)
    """Temperature at its start, in interquartile ranges of all merits so far."""
    cooling: float = Field(0.99, gt=0, le=1)
    """What the temperature is multiplied by at every trial."""


@ask_tell_strategies.register("annealing")
class Annealing(AskTellStrategy):
    """The state is where the walk stands; told trials are its steps, whoever proposed them.

    Merits have no scale of their own, so the temperature is relative to their interquartile range,
    which does not mind the few networks that learn nothing.
    """

    Config: ClassVar[type[Strict]] = AnnealingConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._merits: list[float] = []  # sorted
        self._here: tuple[Architecture, float] | None = None

    @property
    def initial(self) -> int:
        """Evaluations that it begins with."""
        return int(self.config.startup)

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """A neighbour of where the walk stands."""
        rng = self.rng(number)
        if self._here is None or len(self._merits) < self.config.startup:
            return Proposal(self.space.sample(rng))
        return Proposal(self.space.mutate(self._here[0], rng))

    def tell(self, trial: Trial) -> None:
        """Moves there or not."""
        if trial.merit is None:
            return
        insort(self._merits, trial.merit)
        if self._here is None or self.accepts(trial.merit - self._here[1], trial.number):
            self._here = (trial.architecture, trial.merit)

    def accepts(self, gain: float, number: int) -> bool:
        """Whether the walk moves to a trial that is better by `gain`; see `temperature`."""
        if gain >= 0:
            return True
        temperature = self.temperature()
        # Not the draws of `ask`, which chose this trial.
        draw = self.rng(-1 - number).random()
        return temperature > 0 and draw < math.exp(gain / temperature)

    def temperature(self) -> float:
        """In units of merit; 0 while the walk has not begun or all merits are alike."""
        steps = len(self._merits) - self.config.startup
        if steps <= 0:
            return 0.0
        spread = self._merits[3 * len(self._merits) // 4] - self._merits[len(self._merits) // 4]
        return float(spread * self.config.temperature * self.config.cooling**steps)
