"""The graph of a NAS-Bench-101 cell (arXiv:1902.09635, section 2.1): its legal form and its hash.

Vertices are 0 (input) to 6 (output). `reads[v]` is a set of bits: the vertices that v reads.
"""

from __future__ import annotations

import functools
import hashlib
import operator
import random
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

from squeezenas.nn.nasbench101_network import OPERATIONS, PrunedCell

VERTICES, MOST_EDGES = 7, 9
EDGES = tuple((target, source) for target in range(1, VERTICES) for source in range(target))
"""`(vertex, vertex it reads)`, those of a vertex together."""
LAST = VERTICES - 1
CELLS = {2: 1, 3: 6, 4: 84, 5: 2441, 6: 62010, 7: 359082}
"""How many cells of so many vertices there are, none of them the same: 423,624 (section 2.1)."""

Reads = tuple[int, ...]


def reads_of(bits: Sequence[int]) -> Reads:
    """What each vertex reads, from one 0 or 1 for each of `EDGES`."""
    reads = [0] * VERTICES
    for (target, source), bit in zip(EDGES, bits, strict=True):
        reads[target] |= bit << source
    return tuple(reads)


def used(reads: Reads) -> int:
    """The vertices on a way from input to output, as bits; 0 where there is no way."""
    reached = 1
    for vertex in range(1, VERTICES):
        reached |= bool(reads[vertex] & reached) << vertex
    needed = 1 << LAST
    for vertex in range(LAST, 0, -1):
        if needed >> vertex & 1:
            needed |= reads[vertex]
    both = reached & needed
    return both if both >> LAST else 0


def edges_in_use(reads: Reads) -> int:
    """Edges on ways from input to output; 0 where there is none."""
    vertices = used(reads)
    return sum((reads[v] & vertices).bit_count() for v in range(VERTICES) if vertices >> v & 1)


def is_legal(reads: Reads) -> bool:
    """Whether there is a way from input to output, and at most nine edges are on one."""
    return 1 <= edges_in_use(reads) <= MOST_EDGES


def pruned(reads: Reads, operations: Sequence[str]) -> PrunedCell:
    """The cell without what lies on no way from input to output.

    Args:
        reads: what each vertex reads.
        operations: of vertices 1 to 5.
    """
    vertices = used(reads)
    kept = [v for v in range(VERTICES) if vertices >> v & 1]
    matrix = tuple(tuple(reads[b] >> a & 1 for b in kept) for a in kept)
    return PrunedCell(matrix, ("input", *(operations[v - 1] for v in kept[1:-1]), "output"))


@functools.lru_cache(maxsize=2**14)  # evolution asks again for what it has just seen
def module_hash(cell: PrunedCell) -> str:
    """The benchmark's md5 of a cell: equal for cells that differ in the order of vertices alone.

    Each vertex begins with its degrees and operation, and hears the hashes of its neighbours as
    often as there are vertices.
    """
    matrix, operations = cell
    size = len(matrix)
    labels = [-1, *(OPERATIONS.index(name) for name in operations[1:-1]), -2]
    into = [[a for a in range(size) if matrix[a][v]] for v in range(size)]
    out = [[b for b in range(size) if matrix[v][b]] for v in range(size)]
    hashes = [_md5(str((len(out[v]), len(into[v]), labels[v]))) for v in range(size)]
    for _ in range(size):
        hashes = [
            _md5(
                "".join(sorted(hashes[a] for a in into[v]))
                + "|"
                + "".join(sorted(hashes[b] for b in out[v]))
                + "|"
                + hashes[v]
            )
            for v in range(size)
        ]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def random_reads(rng: random.Random, vertices: int) -> Reads:
    """A uniform draw of those cells all of whose vertices are on a way from input to output.

    They are those where each vertex reads and is read. Vertices that are left out read nothing.
    """
    while True:
        drawn = [rng.randrange(1, 1 << vertex) for vertex in range(1, vertices)]
        read = functools.reduce(operator.or_, drawn)
        edges = sum(map(int.bit_count, drawn))
        if edges <= MOST_EDGES and read == (1 << (vertices - 1)) - 1:
            return (0, *drawn[:-1], *[0] * (VERTICES - vertices), drawn[-1])


@functools.cache
def ways() -> tuple[Reads, ...]:
    """All 32 ways from input to output, short ones first."""
    found = []
    for length in range(VERTICES - 1):
        for between in combinations(range(1, LAST), length):
            stops = (0, *between, LAST)
            found.append(reads_of([int((s, t) in pairwise(stops)) for t, s in EDGES]))
    return tuple(found)


def can_become_legal(reads: Reads, decided: int) -> bool:
    """Whether some legal cell has these edges among the first `decided` of `EDGES`.

    Every legal cell has a way, and fewer edges never put more in use: it is enough to try each way
    that the decided edges leave open.
    """
    for way in ways():
        closed = any(way[t] >> s & 1 and not reads[t] >> s & 1 for t, s in EDGES[:decided])
        if not closed and is_legal(joined(reads, way)):
            return True
    return False


def joined(a: Reads, b: Reads) -> Reads:
    """The edges of both."""
    return tuple(x | y for x, y in zip(a, b, strict=True))


def best_legal(margins: Mapping[tuple[int, int], float]) -> Reads:
    """The legal cell whose edges are wanted most: all edges above 0 where these make one.

    It begins with the way whose unwanted edges cost least; the wanted edges follow, the most wanted
    first, as long as the cell stays legal.

    Args:
        margins: by `(vertex, vertex it reads)`, how much the edge is wanted; below 0: not wanted.
    """

    def regret(way: Reads) -> float:
        return sum(max(-margins[t, s], 0.0) for t, s in EDGES if way[t] >> s & 1)

    reads = min(ways(), key=regret)
    for target, source in sorted(EDGES, key=lambda edge: -margins[edge]):
        if margins[target, source] > 0:
            more = list(reads)
            more[target] |= 1 << source
            reads = tuple(more) if is_legal(tuple(more)) else reads
    return reads
