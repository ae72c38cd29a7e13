"""Where the parts of a drawn graph go: from left to right, few crossings, nothing overlapping.

A layered drawing (Sugiyama, Tagawa and Toda, 1981): nodes stand in columns by their distance from
the inputs, the operation of an edge is a box in a column of its own in front of the edge's target,
and a long edge bends at an invisible box in every column that it passes. Boxes are sorted by the
mean place of their neighbours, then shifted as near to it as their heights let them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from squeezenas.core.cell_graph import CellGraph

SWEEPS = 12


@dataclass(eq=False)
class Box:
    """One thing with a place of its own.

    Attributes:
        text: what is written in it; an invisible one has none.
        column: place from left to right.
        height: room it needs, in rows.
        y: place from top to bottom of its middle, in rows.
    """

    text: str
    column: int
    height: float
    y: float = 0.0
    neighbours: list[Box] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class CellLayout:
    """A cell with places.

    Attributes:
        nodes: box by node name.
        operations: boxes with the operation of an edge.
        lines: the boxes that each edge runs through, from its source to its target.
        columns: the boxes of each column, from top to bottom.
    """

    nodes: Mapping[str, Box]
    operations: Sequence[Box]
    lines: Sequence[Sequence[Box]]
    columns: Sequence[Sequence[Box]]

    @property
    def height(self) -> float:
        """Rows that the drawing takes."""
        return max(box.y + box.height / 2 for column in self.columns for box in column)


def lay_out(cell: CellGraph) -> CellLayout:
    """Places for the nodes, operations and edges of a cell.

    Nodes are in even columns, operations in odd ones; the topmost box begins at row 0.

    Raises:
        ValueError: an edge leaves a node that is not known before it; names both.
    """
    nodes = {name: Box(name, 2 * depth, 1.0) for name, depth in _depths(cell).items()}
    operations, lines = [], []
    for source, target, operation in cell.edges:
        start, end = nodes[source], nodes[target]
        line = [start]
        for column in range(start.column + 1, end.column):
            labelled = operation and column == end.column - 1
            line.append(Box(operation if labelled else "", column, 0.8 if labelled else 0.4))
        operations += line[-1:] if operation else []
        lines.append([*line, end])
    columns = _columns(list(nodes.values()), lines)
    _sort(columns)
    _shift(columns)
    return CellLayout(nodes, operations, lines, columns)


def _depths(cell: CellGraph) -> dict[str, int]:
    """Longest way to each node from the inputs, in edges; the output is behind all others."""
    depths = dict.fromkeys(cell.inputs, 0)
    for source, target, _ in cell.edges:
        if source not in depths:
            raise ValueError(
                f"cell {cell.name}: the edge from {source} to {target} comes before any edge to "
                f"{source}; sort the edges, or add {source} to the inputs"
            )
        depths[target] = max(depths.get(target, 0), depths[source] + 1)
    inner = [depth for node, depth in depths.items() if node != cell.output]
    depths[cell.output] = max(inner, default=0) + 1
    return depths


def _columns(nodes: Sequence[Box], lines: Sequence[Sequence[Box]]) -> list[list[Box]]:
    columns: list[list[Box]] = [[] for _ in range(1 + max(box.column for box in nodes))]
    for box in nodes:
        columns[box.column].append(box)
    for line in lines:
        for box in line[1:-1]:
            columns[box.column].append(box)
        for left, right in pairwise(line):
            left.neighbours.append(right)
            right.neighbours.append(left)
    return columns


def _sort(columns: Sequence[list[Box]]) -> None:
    """Sorts every column by the mean rank of the neighbours in front of it, then behind it."""
    for column in columns:
        _rank(column)
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        for column in columns[::step]:
            means = {}
            for box in column:
                seen = [other.y for other in box.neighbours if other.column == box.column - step]
                means[box] = sum(seen) / len(seen) if seen else box.y
            column.sort(key=means.__getitem__)
            _rank(column)


def _rank(column: Sequence[Box]) -> None:
    for rank, box in enumerate(column):
        box.y = rank / max(len(column) - 1, 1)


def _shift(columns: Sequence[Sequence[Box]]) -> None:
    """Moves boxes towards the mean of their neighbours without changing any order."""
    for column in columns:
        _place(column, [0.0] * len(column))
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        for column in columns[::step]:
            wanted = [
                sum(n.y for n in box.neighbours) / len(box.neighbours) if box.neighbours else box.y
                for box in column
            ]
            _place(column, wanted)
    top = min(box.y - box.height / 2 for column in columns for box in column)
    for column in columns:
        for box in column:
            box.y -= top


def _place(column: Sequence[Box], wanted: Sequence[float]) -> None:
    """The places nearest to the wanted ones, in squares, at which no box touches the one above.

    With the room above each box taken off it is an isotonic regression: neighbours that want to
    pass each other share their mean.
    """
    room, offsets = 0.0, []
    for index, box in enumerate(column):
        room += (column[index - 1].height + box.height) / 2 if index else 0.0
        offsets.append(room)
    runs: list[tuple[float, int]] = []  # mean, and how many boxes share it
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while runs and runs[-1][0] > mean:
            above, boxes = runs.pop()
            mean, count = (above * boxes + mean * count) / (boxes + count), boxes + count
        runs.append((mean, count))
    shared = [mean for mean, count in runs for _ in range(count)]
    for box, mean, offset in zip(column, shared, offsets, strict=True):
        box.y = mean + offset
