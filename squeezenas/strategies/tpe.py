"""Tree-structured Parzen estimator (Bergstra et al., NIPS 2011; arXiv:2304.11127), as Optuna's.

With the library's defaults the estimators are multivariate: they see which options go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from squeezenas.core.config import Positive, Strict
from squeezenas.strategies.ask_tell import ask_tell_strategies
from squeezenas.strategies.optuna_sampler import OptunaStrategy

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class TPEConfig(Strict):
    """Keys of strategy tpe, with the library's defaults."""

    startup: Positive = 10
    """Random architectures before the first estimate."""
    candidates: Positive = 24
    """Architectures drawn from the good ones' density, of which the likeliest gain is proposed."""


@ask_tell_strategies.register("tpe")
class TPE(OptunaStrategy):
    """Proposes what good architectures have and others have not."""

    Config: ClassVar[type[Strict]] = TPEConfig

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's `TPESampler`."""
        from optuna.samplers import TPESampler

        keys = self.config
        return TPESampler(n_startup_trials=keys.startup, n_ei_candidates=keys.candidates, seed=seed)
