"""What a predictor is: it learns from evaluated architectures how others will do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strict
from squeezenas.core.registry import Registry
from squeezenas.core.space import SearchSpace
from squeezenas.core.validation import validated

Array = NDArray[Any]
FEWEST = 2


class Predictor(ABC):
    """Learns values of architectures: the same data and seed give the same predictions.

    Subclasses learn standardised values: mean 0 and deviation 1 over the training architectures.

    Args:
        space: where the architectures are from.
        config: its own keys; by default those of `Config`.
        seed: of its weights and draws.
    """

    Config: ClassVar[type[Strict]] = Strict
    """Its keys, with the paper's defaults."""

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        self.space, self.seed = space, seed
        self.config: Any = config or self.Config()
        self.mean, self.deviation = 0.0, 0.0

    def fit(self, architectures: Sequence[Architecture], values: ArrayLike) -> None:
        """Learns from architectures and their values, `(n,)`, anew.

        Raises:
            ValueError: fewer than two, another number of values, one that is not finite, or an
                architecture of another space.
        """
        self._check(architectures)
        known = np.asarray(values, dtype=np.float64)
        if known.shape != (len(architectures),):
            raise ValueError(
                f"{len(architectures)} architectures came with values of shape {known.shape}; give "
                "one value for each"
            )
        if len(known) < FEWEST:
            raise ValueError(
                f"a predictor learns from at least {FEWEST} architectures, got {len(known)}"
            )
        if broken := np.flatnonzero(~np.isfinite(known)).tolist():
            raise ValueError(
                f"{len(broken)} of {len(known)} values are not finite, the first is number "
                f"{broken[0]}; leave failed evaluations out"
            )
        self.mean, self.deviation = float(known.mean()), float(known.std()) or 1.0
        self.learn(architectures, (known - self.mean) / self.deviation)

    def predict(self, architectures: Sequence[Architecture]) -> Array:
        """Predicted values, `(n,)`.

        Raises:
            ValueError: nothing was learned yet, or an architecture is of another space.
        """
        self._check(architectures)
        if not self.deviation:
            raise ValueError("this predictor has learned nothing yet: call fit first")
        if not architectures:
            return np.zeros(0)
        return self.mean + self.deviation * np.asarray(self.score(architectures), dtype=np.float64)

    @abstractmethod
    def learn(self, architectures: Sequence[Architecture], targets: Array) -> None:
        """Learns standardised values, `(n,)`."""

    @abstractmethod
    def score(self, architectures: Sequence[Architecture]) -> Array:
        """Standardised predictions, `(n,)`."""

    @abstractmethod
    def state(self) -> dict[str, Array]:
        """What was learned, as arrays; `mean` and `deviation` are kept beside it."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Array]) -> None:
        """Takes back what `state` gave."""

    def _check(self, architectures: Sequence[Architecture]) -> None:
        longest = len(self.space.choices)
        for number, architecture in enumerate(architectures):
            if architecture.space != self.space.name or len(architecture.picks) > longest:
                raise ValueError(
                    f"architecture number {number} is one of {architecture.space} with "
                    f"{len(architecture.picks)} picks; this predictor is for {self.space.name}, "
                    f"which has {longest} choices"
                )


predictors: Registry[type[Predictor]] = Registry("predictor", "squeezenas.predictors")


def make_predictor(
    name: str, keys: Mapping[str, Any], space: SearchSpace, seed: int = 0
) -> Predictor:
    """The predictor of that name with these keys.

    Raises:
        ValueError: no such predictor, or keys that it does not have.
    """
    kind = predictors[name]
    try:
        config = validated(kind.Config, dict(keys), lambda key: "", prefix="settings")
    except ValueError as error:
        raise ValueError(f"predictor {name}: {error}") from error
    return kind(space, config, seed)
