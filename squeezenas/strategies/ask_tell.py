"""What an ask/tell strategy is: it proposes from the history of evaluated architectures alone.

What a strategy proposes is a function of its space, its keys, the seed, the trials it was told, in
order, and the number of the trial. So a search is resumed by telling the history again. Any number
of processes may share a history: each has a strategy of its own, which hears of the trials of
others a little later than they do, and so in a slightly different order.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strict
from squeezenas.core.registry import Registry
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.core.validation import validated

REDRAW = 10**9
"""So far apart are the numbers under which a search asks again for the same trial."""


class AskTellStrategy(ABC):
    """Proposes architectures, and hears how each did.

    Args:
        space: the space.
        config: its own keys; by default those of `Config`.
        seed: seed of its draws.
    """

    Config: ClassVar[type[Strict]] = Strict
    """Its keys, with the paper's defaults."""
    multi_objective: ClassVar[bool] = False
    """Whether it seeks a front where trials have costs; others look at merit alone."""

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        self.space, self.seed = space, seed
        self.config: Any = config or self.Config()

    def rng(self, number: int) -> random.Random:
        """The draws of a trial."""
        return random.Random(f"{self.seed}-{number}")

    @property
    def initial(self) -> int:
        """Evaluations that it begins with, before it learns from any."""
        return 0

    @abstractmethod
    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """What to evaluate next.

        Args:
            number: of the trial, which its draws follow from; where the proposal cannot be used, it
                is asked again with multiples of `REDRAW` added.
            pending: what is being evaluated elsewhere.
        """

    @abstractmethod
    def tell(self, trial: Trial) -> None:
        """Takes a finished trial, its own or another process's, when it hears of it."""


ask_tell_strategies: Registry[type[AskTellStrategy]] = Registry("strategy", "squeezenas.strategies")


def make_strategy(
    name: str, keys: Mapping[str, Any], space: SearchSpace, seed: int
) -> AskTellStrategy:
    """The strategy of that name with these keys.

    Raises:
        ValueError: no such strategy, or keys that it does not have.
    """
    kind = ask_tell_strategies[name]
    try:
        config = validated(kind.Config, dict(keys), lambda key: "", prefix="strategy")
    except ValueError as error:
        known = ", ".join(kind.Config.model_fields) or "none"
        raise ValueError(f"strategy {name}: {error}; its own keys: {known}") from error
    return kind(space, config, seed)
