"""A cell as a graph: what pictures of it read."""

from __future__ import annotations

from typing import NamedTuple


class CellEdge(NamedTuple):
    """An operation between two nodes."""

    source: str
    target: str
    operation: str


class CellGraph(NamedTuple):
    """One cell.

    Args:
        name: what the cell is called, such as `normal`.
        inputs: nodes that come from outside, such as `c_{k-2}`.
        edges: operations, each from a node known before it; an empty operation passes on.
        output: the node that leaves the cell.
    """

    name: str
    inputs: tuple[str, ...]
    edges: tuple[CellEdge, ...]
    output: str
