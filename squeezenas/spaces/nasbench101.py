"""NAS-Bench-101: Towards Reproducible Neural Architecture Search (arXiv:1902.09635).

A cell is a graph of up to seven vertices, input and output among them, and at most nine edges; the
five vertices between have one of three operations. Only what lies on a way from input to output
counts, so most cells can be written in many ways; `canonical` tells which are the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.core.config import Depth, Strict, Width
from squeezenas.core.registry import nearest
from squeezenas.core.space import SearchSpace, spaces
from squeezenas.nn.nasbench101_network import OPERATIONS, NASBench101Network, PrunedCell
from squeezenas.spaces.nasbench101_graph import (
    CELLS,
    EDGES,
    LAST,
    MOST_EDGES,
    Reads,
    best_legal,
    can_become_legal,
    edges_in_use,
    is_legal,
    module_hash,
    pruned,
    random_reads,
    reads_of,
)

TRIES = 100  # children drawn before one of the parents is taken
FORM = "conv3x3-bn-relu(0) maxpool3x3(0,1) ... output(2,5)"


class NASBench101Scale(Strict):
    """The sizes of a network."""

    cells: Depth = 3
    """Cells of each of the three stacks."""
    channels: Width = 128
    """Channels of the first stack; each stack doubles them."""


@spaces.register("nasbench101")
class NASBench101(SearchSpace):
    """21 edges that are there or not, and one of three operations for each of five vertices.

    Legal is what has a way from input to output and at most nine edges on such ways.
    """

    name = "nasbench101"
    heads: ClassVar[tuple[str, ...]] = ("classifier",)
    skip: ClassVar[str] = "present"
    Scale: ClassVar[type[Strict]] = NASBench101Scale
    choices = (
        *(Choice(f"{target}<{source}", ("absent", "present")) for target, source in EDGES),
        *(Choice(f"operation{vertex}", OPERATIONS) for vertex in range(1, LAST)),
    )

    def size(self) -> int:
        """How many different networks there are; written in all their ways they are more."""
        return sum(CELLS.values())

    def allowed(self, picks: Sequence[int]) -> list[bool]:
        """Which options of the next choice some legal cell has that begins with these picks."""
        if len(picks) >= len(EDGES):
            return [True] * len(OPERATIONS)
        rest = [0] * (len(EDGES) - len(picks) - 1)
        return [can_become_legal(reads_of([*picks, bit, *rest]), len(picks) + 1) for bit in (0, 1)]

    def architecture(self, picks: Sequence[int]) -> Architecture:
        """The cell with these option indices.

        Raises:
            ValueError: wrong number of picks, an index out of range, or a cell that is not legal.
        """
        architecture = super().architecture(picks)
        edges = edges_in_use(_reads(architecture.picks))
        if not edges:
            raise ValueError("there is no way from vertex 0, the input, to the output; add edges")
        if edges > MOST_EDGES:
            raise ValueError(
                f"{edges} edges lie between input and output; a cell has at most {MOST_EDGES}"
            )
        return architecture

    def read(self, texts: Sequence[str]) -> Architecture:
        """The cell of a text: each vertex from 1 on, and in brackets the vertices that it reads.

        Raises:
            ValueError: another form, an unknown operation, or a vertex that is not there before.
        """
        words = " ".join(texts).split()
        if len(words) != LAST or not all(re.fullmatch(r"[\w-]+\([\d,]*\)", w) for w in words):
            raise ValueError(f"{' '.join(words)!r} is not of the form {FORM}, with 6 vertices")
        sources: list[set[int]] = []
        operations: list[int] = []
        for vertex, word in enumerate(words, 1):
            name, _, inside = word[:-1].partition("(")
            read = {int(source) for source in inside.split(",") if source}
            if wrong := sorted(source for source in read if source >= vertex):
                raise ValueError(f"{word}: vertex {vertex} reads those before it, not {wrong[0]}")
            known = ["output"] if vertex == LAST else list(OPERATIONS)
            if name not in known:
                hint = nearest(name, known)
                raise ValueError(f"vertex {vertex}: unknown operation {name!r}{hint}")
            sources.append(read)
            operations += [] if vertex == LAST else [known.index(name)]
        bits = [int(source in sources[target - 1]) for target, source in EDGES]
        return self.architecture([*bits, *operations])

    def write(self, architecture: Architecture) -> list[str]:
        """One text a vertex; the inverse of `read`."""
        reads = _reads(architecture.picks)
        names = [*_operations(architecture), "output"]
        texts = []
        for vertex, name in enumerate(names, 1):
            sources = ",".join(str(s) for s in range(vertex) if reads[vertex] >> s & 1)
            texts.append(f"{name}({sources})")
        return texts

    def sample(self, rng: random.Random) -> Architecture:
        """A draw that is nearly uniform over networks.

        The number of vertices follows how many cells have as many; edges and operations are then
        uniform. The authors draw edges and operations until they are legal, and find a network of
        seven vertices once in some 250 draws: few ways of writing a cell use them all.
        """
        [vertices] = rng.choices([*CELLS], [*CELLS.values()])
        reads = random_reads(rng, vertices)
        return self._cell(reads, [rng.randrange(len(OPERATIONS)) for _ in range(1, LAST)])

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """Another cell, as near as chance has it.

        An edge is turned over or an operation changed, and what is not legal taken back, until the
        network is another. Changes that make no difference are kept on the way: a vertex that
        nothing reads comes into use by two edges.
        """
        before, changed = self.canonical(architecture), architecture
        while self.canonical(changed) == before:
            picks = list(changed.picks)
            position = rng.randrange(len(picks))
            options = range(len(self.choices[position].options))
            picks[position] = rng.choice([o for o in options if o != picks[position]])
            if is_legal(_reads(picks)):
                changed = self.architecture(picks)
        return changed

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """Each choice from one of the parents, drawn again until legal, then one of the parents."""
        pairs = list(zip(a.picks, b.picks, strict=True))
        for _ in range(TRIES):
            picks = [rng.choice(pair) for pair in pairs]
            if is_legal(_reads(picks)):
                return self.architecture(picks)
        return rng.choice((a, b))

    def canonical(self, architecture: Architecture) -> str:
        """The benchmark's md5 of the cell, which its tables call module hash."""
        return module_hash(self.pruned(architecture))

    def derive(self, scores: Mapping[str, Sequence[float]]) -> Architecture:
        """The favourite option of each choice; edges give way where they make no legal cell."""
        rows = {key: list(row) for key, row in scores.items()}
        margins = {(t, s): rows[f"{t}<{s}"][1] - rows[f"{t}<{s}"][0] for t, s in EDGES}
        reads = best_legal(margins)
        operations = [rows[f"operation{vertex}"] for vertex in range(1, LAST)]
        return self._cell(reads, [row.index(max(row)) for row in operations])

    def _cell(self, reads: Reads, operations: Sequence[int]) -> Architecture:
        return self.architecture([*(reads[t] >> s & 1 for t, s in EDGES), *operations])

    def pruned(self, architecture: Architecture) -> PrunedCell:
        """The cell without what lies on no way from input to output."""
        return pruned(_reads(architecture.picks), _operations(architecture))

    def network(self, architecture: Architecture, classes: int, head: str) -> NASBench101Network:
        """The stand-alone network; `forward(images)`."""
        cell = self.pruned(architecture)
        return NASBench101Network(cell, self.scale.cells, self.scale.channels, classes)

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """The pruned cell; its vertices are the operations."""
        matrix, operations = self.pruned(architecture)
        return [list(row) for row in matrix], list(operations)

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The pruned cell; an operation is an edge from the sum of what it reads."""
        matrix, operations = self.pruned(architecture)
        names = ["input", *(str(v) for v in range(1, len(matrix) - 1)), "output"]
        edges = tuple(
            CellEdge(names[a], names[b], "" if b == len(matrix) - 1 else operations[b])
            for b in range(len(matrix))
            for a in range(b)
            if matrix[a][b]
        )
        return [CellGraph("cell", ("input",), edges, "output")]


def _reads(picks: Sequence[int]) -> Reads:
    return reads_of(picks[: len(EDGES)])


def _operations(architecture: Architecture) -> list[str]:
    return [OPERATIONS[pick] for pick in architecture.picks[len(EDGES) :]]
