"""CMA-ES (arXiv:1604.00772) over scores of options, from which the space derives architectures.

The relaxation of a discrete space: one number for each option of each choice, of which
`space.derive` makes a legal architecture, mostly by their maxima. Only their order counts, so there
are no bounds. The optimiser is that of the `cmaes` package, which is Optuna's as well; through
Optuna's sampler its covariance matrix would travel with the trials, here every process finds it
from what it was told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies

if TYPE_CHECKING:
    import numpy as np
    from cmaes import CMA


class CMAESConfig(Strict):
    """Keys of strategy cmaes."""

    population: int = Field(0, ge=0)
    """Trials that make one step of the optimiser; 0: 4 + 3 ln(number of options) (table 1)."""


@ask_tell_strategies.register("cmaes")
class CMAES(AskTellStrategy):
    """A step is complete with its first successful trials; later ones are not looked at.

    What was drawn for a trial is noted with it: another process may have heard of trials in another
    order, and its optimiser would not draw the same again. Steps of such processes may end with
    different trials, but each learns what was evaluated. Trials that were not drawn, such as
    repaired ones, have no notes and teach nothing. An optimiser that has converged is replaced by a
    new one.
    """

    Config: ClassVar[type[Strict]] = CMAESConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._optimiser: CMA | None = None
        self._step = 0
        self._solutions: list[tuple[np.ndarray, float]] = []

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """The architecture of drawn scores."""
        optimiser = self._open()
        optimiser.reseed_rng(self.rng(number).getrandbits(32))
        drawn = optimiser.ask().tolist()
        return Proposal(self._derived(drawn), {"step": self._step, "drawn": drawn})

    def tell(self, trial: Trial) -> None:
        """Takes a trial into the step, which the optimiser makes when it is complete."""
        if trial.merit is None or trial.notes.get("step") != self._step:
            return
        drawn = trial.notes["drawn"]
        if self._derived(drawn) != trial.architecture:
            return
        import numpy as np

        optimiser = self._open()
        self._solutions.append((np.array(drawn), -trial.merit))
        if len(self._solutions) == optimiser.population_size:
            optimiser.tell(self._solutions)
            self._solutions, self._step = [], self._step + 1
            if optimiser.should_stop():
                self._optimiser = None

    def _derived(self, drawn: Sequence[float]) -> Architecture:
        """The architecture of one score for each option, `(options,)`."""
        rest = iter(drawn)
        return self.space.derive(
            {c.key: [next(rest) for _ in c.options] for c in self.space.choices}
        )

    def _open(self) -> CMA:
        if self._optimiser is None:
            import numpy as np
            from cmaes import CMA

            options = sum(len(choice.options) for choice in self.space.choices)
            population = self.config.population or None
            self._optimiser = CMA(np.zeros(options), sigma=1.0, population_size=population)
        return self._optimiser
