"""Architectures as arrays: one-hot picks, sequences of tokens, and graphs.

Picks may be fewer than the space has choices: a cell of fewer blocks is encoded like a longer one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace
from squeezenas.predictors.predictor import Array


def one_hot(space: SearchSpace, architectures: Sequence[Architecture], block: int = 0) -> Array:
    """Picks as zeros and ones, `(n, features)` in float32.

    With `block` choices a block the encodings of an architecture's blocks are averaged, so that
    there are as many features whatever the number of blocks (arXiv:1712.00559, section 3.4).
    Options of the same name are then the same in every block; which block it was is lost.
    """
    if not block:
        widths = [len(choice.options) for choice in space.choices]
        starts = np.concatenate([[0], np.cumsum(widths)])
        encoded = np.zeros((len(architectures), starts[-1]), dtype=np.float32)
        for row, architecture in zip(encoded, architectures, strict=True):
            picks = np.asarray(architecture.picks, dtype=np.int64)
            row[starts[: len(picks)] + picks] = 1
        return encoded
    places: dict[tuple[int, str], int] = {}
    for position, choice in enumerate(space.choices):
        for option in choice.options:
            places.setdefault((position % block, option), len(places))
    encoded = np.zeros((len(architectures), len(places)), dtype=np.float32)
    for row, architecture in zip(encoded, architectures, strict=True):
        for position, pick in enumerate(architecture.picks):
            row[places[position % block, space.choices[position].options[pick]]] += 1
        row /= max(len(architecture.picks) / block, 1)
    return encoded


def vocabulary(space: SearchSpace) -> list[str]:
    """The distinct names of all options, in order: options of one name are one token."""
    return list(dict.fromkeys(option for choice in space.choices for option in choice.options))


def token_sequences(space: SearchSpace, architectures: Sequence[Architecture]) -> Array:
    """One token a pick, `(n, choices)` in int64; 0 where an architecture has fewer picks.

    Token `i + 1` is word `i` of `vocabulary`.
    """
    words = {word: number for number, word in enumerate(vocabulary(space), start=1)}
    rows = [[words[option] for option in choice.options] for choice in space.choices]
    tokens = np.zeros((len(architectures), len(rows)), dtype=np.int64)
    for line, architecture in zip(tokens, architectures, strict=True):
        picks = architecture.picks
        line[: len(picks)] = [row[pick] for row, pick in zip(rows, picks, strict=False)]
    return tokens


def graphs(
    space: SearchSpace, architectures: Sequence[Architecture], operations: Sequence[str]
) -> tuple[Array, Array]:
    """Graphs, padded to the largest.

    Args:
        space: has their graphs.
        architectures: what is encoded.
        operations: those that are known; a node of any other has number -1.

    Returns:
        Adjacency `(n, nodes, nodes)` in int8, `[i, a, b]` 1 where b reads a; and operation numbers
        `(n, nodes)` in int64, -2 beyond an architecture's nodes.

    Raises:
        ValueError: a graph has no nodes, or an architecture too few picks to have one.
    """
    if any(len(architecture.picks) < len(space.choices) for architecture in architectures):
        raise ValueError(f"a graph is of all {len(space.choices)} picks; use a predictor of picks")
    numbers = {name: number for number, name in enumerate(operations)}
    found = [space.graph(architecture) for architecture in architectures]
    if not all(names for _, names in found):
        raise ValueError(
            f"space {space.name} gives a graph without nodes; use a predictor of picks"
        )
    nodes = max((len(names) for _, names in found), default=0)
    adjacency = np.zeros((len(found), nodes, nodes), dtype=np.int8)
    kinds = np.full((len(found), nodes), -2, dtype=np.int64)
    for index, (edges, names) in enumerate(found):
        size = len(names)
        adjacency[index, :size, :size] = edges
        kinds[index, :size] = [numbers.get(name, -1) for name in names]
    return adjacency, kinds
