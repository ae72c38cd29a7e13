"""DARTS: Differentiable Architecture Search (arXiv:1806.09055), convolutional cells.

Each of four nodes may read every node before it through one of eight operations; of these edges an
architecture keeps two a node, the others are `none`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.config import Strict
from squeezenas.core.space import spaces
from squeezenas.nn.cell import KINDS, CellGenotype, CellShape, Genotype
from squeezenas.nn.cell_network import cell_kinds
from squeezenas.nn.operations import DARTS, NONE
from squeezenas.nn.search_cell import NODES, SearchCell, cell_edges, edge_key
from squeezenas.spaces.convolutional_cells import ConvolutionalCells
from squeezenas.spaces.genotype import read_genotype, write_genotype

KEPT = 2  # inputs of a node
EMPTY = DARTS.index(NONE)
EDGES = cell_edges()


@spaces.register("darts_cell")
class DARTSCell(ConvolutionalCells):
    """Fourteen edges of eight operations in each of two cells; one choice an edge."""

    name = "darts_cell"

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        self.choices = tuple(
            Choice(edge_key(kind, *edge), DARTS) for kind in KINDS for edge in EDGES
        )
        ends = [(kind, node) for kind in KINDS for node, _ in EDGES]
        self._nodes = [
            [position for position, other in enumerate(ends) if other == end]
            for end in dict.fromkeys(ends)
        ]

    def size(self) -> int:
        """`(prod_k k (k - 1) / 2 * 7^2)^2`, k = 2..5 the nodes a node may read (section 3.1.1)."""
        inputs = math.prod(math.comb(len(edges), KEPT) for edges in self._nodes)
        return inputs * (len(DARTS) - 1) ** (KEPT * len(self._nodes))

    def allowed(self, picks: Sequence[int]) -> list[bool]:
        """`none` unless the edges left are needed, the operations unless the node has two."""
        edges = next(edges for edges in self._nodes if edges[-1] >= len(picks))
        kept = sum(pick != EMPTY for pick in picks[edges[0] :])
        left = edges[-1] - len(picks)
        return [kept + left >= KEPT if o == EMPTY else kept < KEPT for o in range(len(DARTS))]

    def architecture(self, picks: Sequence[int]) -> Architecture:
        """The architecture with these option indices.

        Raises:
            ValueError: wrong number of picks, an index out of range, or a node that does not read
                two others; names it.
        """
        architecture = super().architecture(picks)
        for edges in self._nodes:
            kept = [self.choices[e].key for e in edges if picks[e] != EMPTY]
            if len(kept) != KEPT:
                node = self.choices[edges[0]].key.partition("<")[0]
                raise ValueError(
                    f"{node} has {len(kept)} inputs ({', '.join(kept) or 'none'}); a node of "
                    f"{self.name} has {KEPT}, and its other edges are {NONE}"
                )
        return architecture

    def sample(self, rng: random.Random) -> Architecture:
        """A uniformly drawn architecture: two edges a node, an operation for each."""
        picks = [EMPTY] * len(self.choices)
        for edges in self._nodes:
            for edge in rng.sample(edges, KEPT):
                picks[edge] = self._other(EMPTY, rng)
        return self.architecture(picks)

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """One kept edge gets another operation, or its operation moves to another edge.

        The two kinds of mutation of arXiv:1802.01548, section 2.2; which one is tossed, but for
        nodes that read everything they may.
        """
        picks = list(architecture.picks)
        edges = rng.choice(self._nodes)
        edge = rng.choice([e for e in edges if picks[e] != EMPTY])
        free = [e for e in edges if picks[e] == EMPTY]
        if free and rng.random() < 0.5:
            other = rng.choice(free)
            picks[edge], picks[other] = EMPTY, picks[edge]
        else:
            picks[edge] = self._other(picks[edge], rng)
        return self.architecture(picks)

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """Each node, with the edges into it, from one of the two parents."""
        picks = [EMPTY] * len(self.choices)
        for edges in self._nodes:
            parent = rng.choice((a, b))
            for edge in edges:
                picks[edge] = parent.picks[edge]
        return self.architecture(picks)

    def derive(self, scores: Mapping[str, Sequence[float]]) -> Architecture:
        """The two strongest edges of each node, each with its best operation (section 2.4).

        The strength of an edge is the score of its best operation, `none` left out. Scores of
        different edges are compared, so they should be probabilities.
        """
        picks = [EMPTY] * len(self.choices)
        for edges in self._nodes:
            best = {}
            for edge in edges:
                row = scores[self.choices[edge].key]
                best[edge] = max((row[o], -o) for o in range(len(DARTS)) if o != EMPTY)
            for edge in sorted(edges, key=lambda e: best[e][0], reverse=True)[:KEPT]:
                picks[edge] = -best[edge][1]
        return self.architecture(picks)

    def _other(self, option: int, rng: random.Random) -> int:
        """An operation other than `none` and this one."""
        return rng.choice([o for o in range(len(DARTS)) if o not in (EMPTY, option)])

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture of a genotype text such as the authors print (see `genotype`).

        Raises:
            ValueError: another form, an unknown operation, or inputs that cannot be; says where.
        """
        genotype = read_genotype(texts, [o for o in DARTS if o != NONE], NODES)
        picks = {choice.key: EMPTY for choice in self.choices}
        for kind in KINDS:
            pairs, concat = genotype.cell(kind)
            if concat != tuple(range(2, 2 + NODES)):
                raise ValueError(
                    f"{kind}_concat={[*concat]}: a cell of {self.name} gives all its nodes, "
                    f"range(2, {2 + NODES})"
                )
            for position, (name, source) in enumerate(pairs):
                node = 2 + position // 2
                key = edge_key(kind, node, source)
                if picks[key] != EMPTY:
                    raise ValueError(
                        f"{kind}, node {node}: {(name, source)} reads node {source} a second time; "
                        f"{self.name} has one operation an edge"
                    )
                picks[key] = DARTS.index(name)
        return self.architecture([picks[choice.key] for choice in self.choices])

    def write(self, architecture: Architecture) -> list[str]:
        """The genotype text, inputs of a node in rising order; the inverse of `read`."""
        return [write_genotype(self.genotype(architecture))]

    def genotype(self, architecture: Architecture) -> Genotype:
        """Both cells of an architecture."""
        half = len(EDGES)
        cells = (architecture.picks[:half], architecture.picks[half:])
        concat = tuple(range(2, 2 + NODES))
        return Genotype(
            *(
                CellGenotype(tuple((DARTS[picks[e]], EDGES[e][1]) for e in _kept(picks)), concat)
                for picks in cells
            )
        )

    def search_cell(self, shape: CellShape) -> SearchCell:
        """A cell with every operation on every edge."""
        return SearchCell(shape)

    def searched_operation(self, architecture: Architecture, index: int, edge: int) -> str:
        """`edges.<edge of the search cell>.<operation>`."""
        second = cell_kinds(self.scale.cells)[index] == KINDS[1]
        picks = architecture.picks[len(EDGES) :] if second else architecture.picks
        place = _kept(picks[: len(EDGES)])[edge]
        return f"edges.{place}.{DARTS[picks[place]]}"


def _kept(picks: Sequence[int]) -> list[int]:
    """The edges of a cell that are not `none`."""
    return [edge for edge, pick in enumerate(picks) if pick != EMPTY]
