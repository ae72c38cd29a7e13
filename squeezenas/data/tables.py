"""Benchmark tables: what the architectures of a space scored and cost when others trained them.

An architecture is found by the network it is, so a cell that is written in another way has the
numbers of its twin.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from squeezenas.core.architecture import Architecture
from squeezenas.core.figures import Figure
from squeezenas.core.registry import nearest
from squeezenas.core.space import SearchSpace
from squeezenas.core.table_card import TableCard
from squeezenas.data.table_files import measurements, open_columns
from squeezenas.data.table_layouts import read_architectures
from squeezenas.data.table_space import TableSpace


class BenchmarkTable:
    """Architectures with their figures and costs.

    Args:
        card: what it is read from.
        whole: the space of its architectures, whether it has all of them or not.
        architectures: one a row.
        networks: what each of them is (`SearchSpace.canonical`), none twice.
        numbers: each figure and cost by name, one a row; NaN: not measured.

    Attributes:
        figures: what architectures are ranked by; the first is the default.
        units: of the costs, by name.
    """

    def __init__(
        self,
        card: TableCard,
        whole: SearchSpace,
        architectures: Sequence[Architecture],
        networks: Sequence[Hashable],
        numbers: Mapping[str, np.ndarray],
    ) -> None:
        self.card, self.whole = card, whole
        self.figures: Mapping[str, Figure] = {
            name: Figure(column.label, column.higher_is_better, column.percent)
            for name, column in card.figures.items()
        }
        self.units: Mapping[str, str] = {name: cost.unit for name, cost in card.costs.items()}
        self._architectures, self._networks = list(architectures), list(networks)
        self._numbers = dict(numbers)
        self._lists = {name: column.tolist() for name, column in numbers.items()}
        self._as_written = {a.picks: row for row, a in enumerate(architectures)}
        self._as_network = {network: row for row, network in enumerate(networks)}

    @cached_property
    def space(self) -> SearchSpace:
        """The space to search; where the table lacks some of it, only what the table has."""
        if len(self) >= self.whole.size():
            return self.whole
        return TableSpace(self.whole, self._architectures, self.__contains__)

    def __len__(self) -> int:
        """How many architectures there are."""
        return len(self._architectures)

    def __contains__(self, architecture: Architecture) -> bool:
        return self._row(architecture) is not None

    def architectures(self) -> Sequence[Architecture]:
        """All architectures, one a row."""
        return self._architectures

    def value(self, architecture: Architecture, figure: str) -> float:
        """A figure of an architecture; shares are 0..1.

        Raises:
            ValueError: no such figure, or the architecture has none; says which.
        """
        return self._number(architecture, figure, self.figures, "figure")

    def cost(self, architecture: Architecture, name: str) -> float:
        """A cost of an architecture, in `units[name]`.

        Raises:
            ValueError: no such cost, or the architecture has none; says which.
        """
        return self._number(architecture, name, self.units, "cost")

    def column(self, name: str) -> np.ndarray:
        """A figure or cost of all architectures, `(len,)` float64; NaN: not measured.

        Raises:
            ValueError: there is none of that name.
        """
        self._require_known(name, self._numbers, "figure or cost")
        return self._numbers[name]

    def measured(self, architecture: Architecture) -> dict[str, float]:
        """All figures that an architecture has, by name.

        Raises:
            ValueError: it is not in the table.
        """
        row = self._row_of(architecture)
        every = {name: self._lists[name][row] for name in self.figures}
        return {name: value for name, value in every.items() if value == value}

    def require(self, figure: str, cost: str = "") -> BenchmarkTable:
        """The table of the architectures that have this figure and cost, and seconds if any have.

        Raises:
            ValueError: there is none of that name; or some architectures lack it and the card does
                not say `partial`: how many, and the first of them.
        """
        self._require_known(figure, self.figures, "figure")
        if cost:
            self._require_known(cost, self.units, "cost")
        measured = np.full(len(self), True)
        for name in filter(None, (figure, cost, self.card.seconds)):
            missing = np.isnan(self._numbers[name])
            if missing.any() and not self.card.partial:
                row = int(missing.argmax())
                text = " ".join(self.whole.write(self._architectures[row]))
                raise ValueError(
                    f"table {self.card.name}: {missing.sum():,} of {len(self):,} architectures "
                    f"have no number for {name}, the first is {text} in row {row + 1}; take "
                    "another, or leave these out with datasets.partial=true"
                )
            measured &= ~missing
        if measured.all():
            return self
        if measured.sum() < 2:
            raise ValueError(
                f"table {self.card.name}: {measured.sum()} architectures have all that is asked "
                "for; a search needs two"
            )
        rows = np.flatnonzero(measured).tolist()
        return BenchmarkTable(
            self.card,
            self.whole,
            [self._architectures[row] for row in rows],
            [self._networks[row] for row in rows],
            {name: column[measured] for name, column in self._numbers.items()},
        )

    def _row(self, architecture: Architecture) -> int | None:
        row = self._as_written.get(architecture.picks)
        return self._as_network.get(self.whole.canonical(architecture)) if row is None else row

    def _number(
        self, architecture: Architecture, name: str, known: Iterable[str], kind: str
    ) -> float:
        self._require_known(name, known, kind)
        number: float = self._lists[name][self._row_of(architecture)]
        if number != number:
            text = " ".join(self.whole.write(architecture))
            raise ValueError(
                f"table {self.card.name}: {text} has no number for {name}; propose another"
            )
        return number

    def _row_of(self, architecture: Architecture) -> int:
        row = self._row(architecture)
        if row is None:
            text = " ".join(self.whole.write(architecture))
            raise ValueError(f"table {self.card.name}: {text} is not in it; propose another")
        return row

    def _require_known(self, name: str, known: Iterable[str], kind: str) -> None:
        if name not in known:
            listed = list(known)
            raise ValueError(
                f"table {self.card.name} has no {kind} {name!r}{nearest(name, listed)}; known: "
                f"{', '.join(listed) or 'none'}"
            )


def read_table(card: TableCard) -> BenchmarkTable:
    """The table of a card.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file, column, architecture or number is not what the card says; names it.
    """
    columns = open_columns(card, card.file)
    space, architectures, networks = read_architectures(card, columns)
    rows: dict[Hashable, int] = {}
    for row, network in enumerate(networks):
        if (first := rows.setdefault(network, row)) != row:
            raise ValueError(
                f"{columns.path}: rows {first + 1} and {row + 1} are the same architecture, "
                f"{' '.join(space.write(architectures[row]))}; keep one"
            )
    if len(rows) < 2:
        raise ValueError(f"{columns.path}: {len(rows)} architectures; a search needs two")
    numbers = measurements(card, columns, len(rows))
    return BenchmarkTable(card, space, architectures, networks, numbers)
