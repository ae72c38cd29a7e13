"""Bayesian optimisation with a Gaussian process and expected improvement, as Optuna's.

A Matern kernel with a length scale for each choice; the acquisition is log expected improvement
(arXiv:2310.20708), jointly with the pending architectures where there are some. The process is
fitted anew for every proposal, in time that grows with the cube of the trials: for hundreds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from squeezenas.core.config import Positive, Strict
from squeezenas.strategies.ask_tell import ask_tell_strategies
from squeezenas.strategies.optuna_sampler import OptunaStrategy

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class BayesianConfig(Strict):
    """Keys of strategy bayesian, with the library's defaults."""

    startup: Positive = 10
    """Random architectures before the first fit."""


@ask_tell_strategies.register("bayesian")
class Bayesian(OptunaStrategy):
    """Proposes where improvement over the best is expected most."""

    Config: ClassVar[type[Strict]] = BayesianConfig

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's `GPSampler`."""
        from optuna.samplers import GPSampler

        return GPSampler(n_startup_trials=self.config.startup, seed=seed)
