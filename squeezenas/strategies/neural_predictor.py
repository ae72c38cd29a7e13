"""Neural Predictor for Neural Architecture Search (arXiv:1912.00848): predict, then validate.

N random architectures are evaluated and a predictor learns from them; of all others those with the
best predictions are evaluated, the best first (section 2). With `refit` it learns again from all
that is known after every so many, which the paper does not.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Hashable, Iterator
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.predictors.predictor import make_predictor
from squeezenas.strategies.ask_tell import REDRAW, AskTellStrategy, ask_tell_strategies

TRIES = 20  # draws of a random architecture until one is not evaluated yet


class NeuralPredictorConfig(Strict):
    """Keys of strategy neural_predictor."""

    n: int = Field(172, ge=2)
    """Random architectures that the predictor learns from (N)."""
    candidates: Positive = 20_000
    """Architectures that are predicted: random ones, or all of a space that has no more."""
    refit: int = Field(0, ge=0)
    """Learn again after so many more architectures; 0: never."""
    predictor: str = "gcn"
    """A registered predictor."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Its keys, such as `{stages: 2, threshold: 0.91}`."""


@ask_tell_strategies.register("neural_predictor")
class NeuralPredictor(AskTellStrategy):
    """Random architectures, then those with the best predictions.

    Where the search finds a proposal too dear and asks again, it gets others from further down
    the ranking, in steps that double.

    Raises:
        ValueError: no such predictor, or keys that it does not have.
    """

    Config: ClassVar[type[Strict]] = NeuralPredictorConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._predictor = make_predictor(self.config.predictor, self.config.settings, space, seed)
        self._told: list[tuple[Architecture, float]] = []
        self._known: set[Hashable] = set()
        self._learned = 0  # trials that the ranking follows from
        self._ranking: list[tuple[Hashable, Architecture]] = []
        self._place = 0  # in the ranking; everything before is known

    def tell(self, trial: Trial) -> None:
        """Remembers it; a failed one is not learned from, and not proposed again."""
        self._known.add(self.space.canonical(trial.architecture))
        if trial.merit is not None:
            self._told.append((trial.architecture, trial.merit))

    @property
    def initial(self) -> int:
        """The architectures that the predictor learns from."""
        return int(self.config.n)

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """A random architecture before N are evaluated, then the next of the ranking."""
        self._learn()
        taken = {self.space.canonical(architecture) for architecture in pending}
        skipped = 2 ** (number // REDRAW) - 1
        for architecture in islice(self._open(taken), skipped, None):
            return Proposal(architecture)
        rng = self.rng(number)
        for _ in range(TRIES):
            architecture = self.space.sample(rng)
            if self.space.canonical(architecture) not in self._known | taken:
                break
        return Proposal(architecture)

    def _open(self, taken: Collection[Hashable]) -> Iterator[Architecture]:
        """What of the ranking is neither evaluated nor being evaluated, the best first."""
        while self._place < len(self._ranking) and self._ranking[self._place][0] in self._known:
            self._place += 1
        for network, architecture in islice(self._ranking, self._place, None):
            if network not in self._known and network not in taken:
                yield architecture

    def _learn(self) -> None:
        """Ranks the candidates anew if enough is known for it."""
        n, refit = self.config.n, self.config.refit
        learned = len(self._told)
        if learned < n:
            return
        learned = learned - (learned - n) % refit if refit else n
        if learned == self._learned:
            return
        self._learned, self._place = learned, 0
        architectures, merits = zip(*self._told[:learned], strict=True)
        self._predictor.fit(architectures, merits)
        candidates = self._candidates()
        order = np.argsort(-self._predictor.predict(candidates), kind="stable")
        ranked = (candidates[place] for place in order.tolist())
        self._ranking = [(self.space.canonical(each), each) for each in ranked]

    @cached_property
    def _whole(self) -> list[Architecture]:
        """All architectures of the space, or none if they are more than are predicted."""
        most = self.config.candidates
        if self.space.size() > most:
            return []
        found = list(islice(self.space.every(), most + 1))
        if len(found) > most:  # some spaces count networks that can be written in many ways
            return []
        return [self.space.architecture(picks) for picks in found]

    def _candidates(self) -> list[Architecture]:
        """What is predicted."""
        if self._whole:
            return self._whole
        rng = random.Random(f"{self.seed}-candidates-{self._learned}")
        drawn = (self.space.sample(rng) for _ in range(self.config.candidates))
        return list({self.space.canonical(each): each for each in drawn}.values())
