"""Looks architectures up in a benchmark table instead of training them."""

from __future__ import annotations

from squeezenas.ask_tell.evaluators.evaluator import Evaluation, Evaluator
from squeezenas.core.architecture import Architecture
from squeezenas.data.tables import BenchmarkTable


class TableEvaluator(Evaluator):
    """Reads what the authors of a table measured.

    Args:
        table: the table; where its card says `partial`, only what has both numbers can be scored.
        figure: what ranks, by name; empty: the table's first.
        cost: what is priced, by name; empty: nothing.

    Attributes:
        table: the table of all architectures that can be scored.

    Raises:
        ValueError: the table has no such figure or cost, or not of every architecture.
    """

    def __init__(self, table: BenchmarkTable, figure: str = "", cost: str = "") -> None:
        self.headline, self._cost = figure or next(iter(table.figures)), cost
        self.table = table.require(self.headline, cost)
        self.space, self.figure = self.table.space, table.figures[self.headline]
        self.unit, self.costs = table.units[cost] if cost else "", tuple(table.units)

    def cost(self, architecture: Architecture) -> float | None:
        """The cost in the table; None where nothing is priced."""
        return self.table.cost(architecture, self._cost) if self._cost else None

    def evaluate(self, architecture: Architecture, seed: int) -> Evaluation:
        """The figure, the seconds it took the authors, and whatever else they measured.

        Args:
            architecture: of the table.
            seed: plays no part: a table says the same every time.

        Raises:
            ValueError: the table lacks the architecture.
        """
        value = self.table.value(architecture, self.headline)
        seconds = self.table.card.seconds
        return Evaluation(
            value,
            self.table.cost(architecture, seconds) if seconds else 0.0,
            self.table.measured(architecture),
        )
