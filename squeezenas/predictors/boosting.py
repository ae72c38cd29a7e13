"""Gradient boosting of scikit-learn on one-hot picks: the baseline that a network has to beat.

Its settings suit some hundred architectures; the library's own are for thousands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive, Strict
from squeezenas.predictors.encoding import one_hot
from squeezenas.predictors.predictor import Array, Predictor, predictors

MOST_WORK = 1 << 30
"""Trees times their depth times the picks that they look at in all architectures: a minute or two,
also whenever a file is read. All of NAS-Bench-201 take an eighth of it."""


class BoostingConfig(Strict):
    """Keys of predictor boosting."""

    trees: int = Field(300, ge=1, le=10_000)
    """Trees that are added up."""
    lr: float = Field(0.05, gt=0)
    """What each tree's answer is multiplied by."""
    depth: int = Field(3, ge=1, le=16)
    """Decisions of a tree, one after the other."""
    leaf: Positive = 3
    """Least number of architectures at the end of them."""
    subsample: float = Field(0.7, gt=0, le=1)
    """Share of the architectures that a tree is grown on."""
    features: float = Field(0.3, gt=0, le=1)
    """Share of the picks that a decision is chosen from."""
    loss: Literal["squared_error", "absolute_error", "huber"] = "huber"
    """What is minimised, in scikit-learn's words; the last two bear outliers."""


@predictors.register("boosting")
class BoostingPredictor(Predictor):
    """Trees of scikit-learn."""

    Config = BoostingConfig

    def learn(self, architectures: Sequence[Architecture], targets: Array) -> None:
        """Grows the trees."""
        self._grow(one_hot(self.space, architectures), targets)

    def score(self, architectures: Sequence[Architecture]) -> Array:
        """What the trees add up to."""
        found: Array = self._trees.predict(one_hot(self.space, architectures))
        return found

    def state(self) -> dict[str, Array]:
        """What the trees are grown from: scikit-learn keeps them in pickles alone."""
        return {"encoded": self._encoded, "targets": self._targets}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Grows the same trees again.

        Raises:
            KeyError, ValueError: they are of another space, no picks, or too many.
        """
        encoded, features = state["encoded"], one_hot(self.space, []).shape[1]
        if encoded.ndim != 2 or encoded.shape[1] != features or encoded.dtype != np.float32:
            raise ValueError(f"encoded is {encoded.shape} of {encoded.dtype}, not {features} picks")
        if not np.isin(encoded, (0, 1)).all():  # others would make deeper trees
            raise ValueError("encoded has numbers that are no picks")
        self._grow(encoded, state["targets"])

    def _grow(self, encoded: Array, targets: Array) -> None:
        from sklearn.ensemble import GradientBoostingRegressor

        config = self.config
        if config.trees * config.depth * encoded.size * config.features > MOST_WORK:
            raise ValueError(
                f"{config.trees} trees of depth {config.depth} would take too long to grow on "
                f"{len(encoded)} architectures; take fewer with n=, or fewer trees or features"
            )
        self._encoded, self._targets = encoded, np.asarray(targets)
        self._trees = GradientBoostingRegressor(
            n_estimators=self.config.trees,
            learning_rate=self.config.lr,
            max_depth=self.config.depth,
            min_samples_leaf=self.config.leaf,
            subsample=self.config.subsample,
            loss=self.config.loss,
            max_features=self.config.features,
            random_state=self.seed,
        ).fit(encoded, targets)
