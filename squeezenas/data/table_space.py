"""The part of a space that a benchmark table has: what is searched where it lacks the rest."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property

import numpy as np
from torch import nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.cell_graph import CellGraph
from squeezenas.core.space import SearchSpace

NEAR = 20
"""Rows that count as neighbours of one, or a tenth of a small table."""
TRIES = 32  # children of the whole space that are drawn before a parent is taken instead


class TableSpace(SearchSpace):
    """A space whose architectures are those of a table.

    Args:
        whole: the space that the table has a part of.
        architectures: those of the table, at least two.
        has: whether the table has an architecture, however it is written.
    """

    def __init__(
        self,
        whole: SearchSpace,
        architectures: Sequence[Architecture],
        has: Callable[[Architecture], bool],
    ) -> None:
        super().__init__(whole.scale)
        self.whole, self._has = whole, has
        self.name, self.heads = whole.name, whole.heads  # type: ignore[misc]
        self.soft, self.skip = whole.soft, whole.skip  # type: ignore[misc]
        self.choices = whole.choices
        self._architectures = list(architectures)

    @cached_property
    def _sorted(self) -> list[tuple[int, ...]]:
        return sorted(architecture.picks for architecture in self._architectures)

    @cached_property
    def _picks(self) -> np.ndarray:
        """`(architectures, choices)`, in the order of the table."""
        return np.array([a.picks for a in self._architectures], dtype=np.int64)

    def size(self) -> int:
        """How many architectures the table has."""
        return len(self._architectures)

    def allowed(self, picks: Sequence[int]) -> list[bool]:
        """Which options of the next choice some row of the table has behind these picks."""
        options = range(len(self.choices[len(picks)].options))
        return [self._begins((*picks, option)) for option in options]

    def _begins(self, picks: tuple[int, ...]) -> bool:
        place = bisect_left(self._sorted, picks)
        return place < len(self._sorted) and self._sorted[place][: len(picks)] == picks

    def architecture(self, picks: Sequence[int]) -> Architecture:
        """The architecture with these option indices.

        Raises:
            ValueError: the whole space does not have it, or the table has not.
        """
        return self._inside(self.whole.architecture(picks))

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture of a text of the whole space.

        Raises:
            ValueError: the whole space does not have it, or the table has not.
        """
        return self._inside(self.whole.read(texts))

    def _inside(self, architecture: Architecture) -> Architecture:
        if not self._has(architecture):
            text = " ".join(self.whole.write(architecture))
            raise ValueError(f"{self.name}: {text} is not in the table; take one of the table")
        return architecture

    def write(self, architecture: Architecture) -> list[str]:
        """As the whole space writes it."""
        return self.whole.write(architecture)

    def sample(self, rng: random.Random) -> Architecture:
        """A row of the table, all alike."""
        return rng.choice(self._architectures)

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """One of the rows that differ in the fewest choices; which of those equally far, is drawn.

        Mutants of the whole space would not do: of a table that holds few of its architectures they
        reach islands of a few rows each, which a walk never leaves.
        """
        distance = (self._picks != np.array(architecture.picks)).sum(axis=1).astype(np.float64)
        distance[distance == 0] = np.inf
        distance += np.random.default_rng(rng.getrandbits(32)).random(len(distance))
        count = min(NEAR, max(len(distance) // 10, 1))
        nearest = np.argsort(distance)[: count + 1].tolist()
        same = self.whole.canonical(architecture)
        others = [self._architectures[row] for row in nearest if distance[row] < np.inf]
        others = [other for other in others if self.whole.canonical(other) != same][:count]
        if not others:
            raise ValueError(f"{self.name}: the table has no other architecture")
        return rng.choice(others)

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """A child in the table: children are drawn `TRIES` times, then it is one of the parents."""
        for _ in range(TRIES):
            child = self.whole.crossover(a, b, rng)
            if self._has(child):
                return child
        return rng.choice((a, b))

    def canonical(self, architecture: Architecture) -> Hashable:
        """As in the whole space."""
        return self.whole.canonical(architecture)

    def derive(self, scores: Mapping[str, Sequence[float]]) -> Architecture:
        """The row of the table with the highest sum of scores."""
        total = np.zeros(len(self._architectures))
        for position, choice in enumerate(self.choices):
            total += np.asarray(scores[choice.key], dtype=np.float64)[self._picks[:, position]]
        return self._architectures[int(total.argmax())]

    def network(self, architecture: Architecture, classes: int, head: str) -> nn.Module:
        """The stand-alone network; `forward(images)`."""
        return self.whole.network(architecture, classes, head)

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """As in the whole space."""
        return self.whole.graph(architecture)

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """As in the whole space."""
        return self.whole.cells(architecture)
