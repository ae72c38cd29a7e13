"""NSGA-II (Deb et al., IEEE Transactions on Evolutionary Computation 6, 2002), as Optuna's.

Where trials have costs, the front of merit and cost is sought, else merit alone is maximised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from squeezenas.core.config import Fraction, Strict
from squeezenas.core.trial import Trial
from squeezenas.strategies.ask_tell import ask_tell_strategies
from squeezenas.strategies.optuna_sampler import Direction, OptunaStrategy

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

GENERATION = "Ordered:generation"  # the library puts the name of the sampler's class in front


class NSGA2Config(Strict):
    """Keys of strategy nsga2, with the library's defaults."""

    population: int = Field(50, ge=2)
    """Members of a generation; the first is random."""
    crossover: Fraction = 0.9
    """Probability that a child has two parents and not one."""


@ask_tell_strategies.register("nsga2")
class NSGA2(OptunaStrategy):
    """Parents are the best of a generation and of its parents, by front and crowding distance.

    As in `genetic`, a generation is as many successful trials as it has members, in order of
    telling. One process selects the same parents whenever it asks, also when it is resumed;
    several may hear of trials in different orders and select others.
    """

    Config: ClassVar[type[Strict]] = NSGA2Config
    multi_objective: ClassVar[bool] = True

    @property
    def initial(self) -> int:
        """The first generation."""
        return int(self.config.population)

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's `NSGAIISampler`."""
        from optuna.samplers import NSGAIISampler

        class Ordered(NSGAIISampler):
            """Gives parents in the order of their trials, also when they have just been selected.

            The library does so whenever they come from its cache.
            """

            def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
                parents = super().select_parent(study, generation)
                return sorted(parents, key=lambda trial: trial.number)

        keys = self.config
        return Ordered(population_size=keys.population, crossover_prob=keys.crossover, seed=seed)

    def directions(self, trial: Trial) -> list[Direction]:
        """Merit up, and cost down if there is one."""
        return ["maximize"] if trial.cost is None else ["maximize", "minimize"]

    def values(self, trial: Trial) -> list[float]:
        """Merit and cost."""
        return [v for v in (trial.merit, trial.cost) if v is not None]

    def attributes(self, place: int) -> dict[str, Any]:
        """The generation, which the library would count in order of asking."""
        return {GENERATION: place // self.config.population}
