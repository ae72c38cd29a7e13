"""Samplers of Optuna (arXiv:1907.10902) as strategies: what tpe, bayesian and nsga2 share.

Each choice is a categorical parameter. Samplers know nothing of constraints between choices: an
option that no legal architecture has after the picks before it is replaced by a random one of those
that some have, and what the sampler is told are the options of the legal architecture.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.strategies.ask_tell import AskTellStrategy

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

Direction = Literal["minimize", "maximize"]


class OptunaStrategy(AskTellStrategy):
    """A study in memory, made of the trials that were told.

    A sampler lives for one proposal: seeded by the number of the trial, it remembers nothing of
    proposals before.
    """

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._study: Study | None = None
        self._successes = 0

    @property
    def initial(self) -> int:
        """Successful trials before which architectures are drawn from the space."""
        return int(self.config.startup)

    @abstractmethod
    def sampler(self, seed: int) -> BaseSampler:
        """A new sampler."""

    def directions(self, trial: Trial) -> list[Direction]:
        """What is optimised, once the first successful trial is known."""
        return ["maximize"]

    def values(self, trial: Trial) -> list[float]:
        """What was reached, in the order of `directions`."""
        assert trial.merit is not None
        return [trial.merit]

    def attributes(self, place: int) -> dict[str, Any]:
        """What the sampler finds on the successful trial that was told after `place` others."""
        return {}

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """What the sampler suggests; it hears of the pending ones as running trials."""
        from optuna.trial import TrialState

        rng = self.rng(number)
        study = self._study
        if study is None or self._successes < self.initial:
            return Proposal(self.space.sample(rng))
        study.sampler = self.sampler(rng.getrandbits(32))
        first = len(study.get_trials(deepcopy=False))
        for architecture in pending:
            self._add(study, architecture, state=TrialState.RUNNING)
        trial = study.ask(self._distributions())
        wanted = [trial.params[choice.key] for choice in self.space.choices]
        for running in range(first, trial.number + 1):  # samplers do not look at failed trials
            study.tell(running, state=TrialState.FAIL)
        return Proposal(legal(self.space, wanted, rng))

    def tell(self, trial: Trial) -> None:
        """Adds a successful trial to the study."""
        if trial.merit is None:
            return
        if self._study is None:
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            self._study = optuna.create_study(directions=self.directions(trial))
        self._add(
            self._study,
            trial.architecture,
            values=self.values(trial),
            system_attrs=self.attributes(self._successes),
        )
        self._successes += 1

    def _add(self, study: Study, architecture: Architecture, **known: Any) -> None:
        from optuna.trial import create_trial

        distributions = self._distributions()
        params = dict(zip(distributions, architecture.picks, strict=True))
        study.add_trial(create_trial(params=params, distributions=distributions, **known))

    def _distributions(self) -> dict[str, BaseDistribution]:
        from optuna.distributions import CategoricalDistribution

        return {
            choice.key: CategoricalDistribution(range(len(choice.options)))
            for choice in self.space.choices
        }


def legal(space: SearchSpace, wanted: Sequence[int], rng: random.Random) -> Architecture:
    """The architecture with these picks, but where one is not allowed after those before it."""
    picks: list[int] = []
    for pick in wanted:
        allowed = space.allowed(picks)
        others = [option for option, may in enumerate(allowed) if may]
        picks.append(pick if allowed[pick] else rng.choice(others))
    return space.architecture(picks)
