"""Random search: the baseline of every comparison (arXiv:1902.07638 shows how hard it is to beat).

Plain uniform draws, with replacement: an architecture may come twice, so that the mean of
best-so-far has a closed form where the space is a table.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from squeezenas.core.architecture import Architecture
from squeezenas.core.trial import Proposal, Trial
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies


@ask_tell_strategies.register("random")
class RandomSearch(AskTellStrategy):
    """Draws from the space; nothing is learned."""

    multi_objective: ClassVar[bool] = True  # it looks at neither: its front is a fair baseline

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """An architecture drawn as `space.sample` does."""
        return Proposal(self.space.sample(self.rng(number)))

    def tell(self, trial: Trial) -> None:
        """Nothing."""
