"""How benchmark tables write their architectures."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace, make_space
from squeezenas.core.table_card import TableCard
from squeezenas.data.table_files import Columns

LONGEST = 4000
"""Characters of an architecture's text; genotypes have some hundred."""


class Described(NamedTuple):
    """The architectures of a table.

    Args:
        space: theirs.
        architectures: one a row.
        networks: what each of them is, as `SearchSpace.canonical` says.
    """

    space: SearchSpace
    architectures: Sequence[Architecture]
    networks: Sequence[Hashable]


def nasbench201(card: TableCard, columns: Columns) -> Described:
    """NAS-Bench-201: `arch` (rows, 6), for each edge an index into `op_names`."""
    space = make_space(card.space, card.scale)
    names = [str(name) for name in columns.array("op_names", (None,))]
    options = space.choices[0].options
    if sorted(names) != sorted(options):
        raise ValueError(
            f"{columns.path}: op_names has {', '.join(names)}; the operations of {space.name} are "
            f"{', '.join(options)}, and arch holds their indices"
        )
    cells = columns.integers("arch", (None, len(space.choices)), 0, len(names) - 1)
    option_of = np.array([options.index(name) for name in names])
    picks = option_of[cells].tolist()
    architectures = [_legal(space, cell, columns, row) for row, cell in enumerate(picks)]
    return Described(space, architectures, [space.canonical(a) for a in architectures])


def nasbench101(card: TableCard, columns: Columns) -> Described:
    """NAS-Bench-101: `adjacency` (rows, 7, 7), `operations`, `num_vertices` and `module_hash`.

    Operations are -1 input, 0 3x3 convolution, 1 1x1 convolution, 2 max pool, -2 output, -3 none.
    Cells of fewer vertices are padded behind their output, which becomes the last vertex here.
    """
    space = make_space(card.space, card.scale)
    matrices = columns.integers("adjacency", (None, 7, 7), 0, 1)
    rows = len(matrices)
    vertices = columns.integers("num_vertices", (rows,), 2, 7).astype(np.int64)
    operations = columns.integers("operations", (rows, 7), -3, 2)
    hashes = columns.integers("module_hash", (rows, 16), 0, 255)
    last, every = vertices - 1, np.arange(rows)
    inner = np.arange(7) < last[:, None]
    matrices = matrices * inner[:, :, None]
    reads_into_output = matrices[every, :, last]
    matrices = matrices * inner[:, None, :]
    matrices[:, :, 6] = reads_into_output
    operations = np.where(inner, operations, 0)
    picks = np.stack([_decision(c.key, matrices, operations) for c in space.choices], axis=1)
    architectures = [_legal(space, cell, columns, row) for row, cell in enumerate(picks.tolist())]
    networks: list[Hashable] = [row.tobytes().hex() for row in hashes.astype(np.uint8)]
    if rows and (computed := space.canonical(architectures[0])) != networks[0]:
        raise ValueError(
            f"{columns.path}: module_hash of row 1 is {networks[0]}, but its cell has {computed}"
        )
    return Described(space, architectures, networks)


def _decision(key: str, matrices: np.ndarray, operations: np.ndarray) -> np.ndarray:
    """Option of one choice in all rows; edges are `target<source`, others `operation<vertex>`."""
    if "<" in key:
        target, source = map(int, key.split("<"))
        return np.asarray(matrices[:, source, target])
    return np.asarray(operations[:, int(key.removeprefix("operation"))])


def rows(card: TableCard, columns: Columns) -> Described:
    """A user's own table: an architecture a row, in one column or in one a choice."""
    if card.space == "tabular":
        scale = {**card.scale, "choices": _choices(card, columns)}
        try:
            space = make_space(card.space, scale)
        except ValueError as error:
            raise ValueError(f"{columns.path}: {error}") from error
    else:
        space = make_space(card.space, card.scale)
    if card.architecture:
        described = columns.rows(card.architecture)
        cells = [_one_column(value, columns, row) for row, value in enumerate(described, 1)]
    else:
        by_choice = [_texts(columns, choice.key) for choice in space.choices]
        if len({len(column) for column in by_choice}) > 1:
            lengths = ", ".join(
                f"{choice.key} {len(column)}"
                for choice, column in zip(space.choices, by_choice, strict=True)
            )
            raise ValueError(f"{columns.path}: columns differ in their number of rows: {lengths}")
        cells = [list(row) for row in zip(*by_choice, strict=True)]
    architectures = [_legal(space, cell, columns, row) for row, cell in enumerate(cells)]
    return Described(space, architectures, [space.canonical(a) for a in architectures])


def _choices(card: TableCard, columns: Columns) -> dict[str, list[str]]:
    """The choices of a tabular space; where the card lists no options, what the column holds."""
    choices = {}
    for key, options in card.scale["choices"].items():
        held = sorted(set(_texts(columns, key)), key=_order)
        choices[key] = [_text(option) for option in options] or held
    return choices


def _texts(columns: Columns, key: str) -> list[str]:
    """The options in a column.

    Raises:
        ValueError: there is none of that name, or it is empty in some row.
    """
    texts = ["" if value is None else _text(value) for value in columns.rows(key)]
    if "" in texts:
        row = texts.index("") + 1
        raise ValueError(f"{columns.path}: {key} is empty in row {row}; write an option")
    return texts


def _order(text: str) -> tuple[float, str]:
    """Numbers by value, then other texts by the alphabet."""
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def _text(value: Any) -> str:
    """An option as people write it: `3`, not `3.0` or `np.int64(3)`."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    return str(plain).strip()


def _one_column(value: Any, columns: Columns, row: int) -> list[int] | list[str]:
    """Option indices, or texts, or a text.

    Raises:
        ValueError: a list of anything else.
    """
    plain = value.tolist() if isinstance(value, np.ndarray) else value
    plain = plain if isinstance(plain, list) else [str(plain)]
    kinds = {type(part) for part in plain}
    if kinds not in ({int}, {str}) or (kinds == {str} and max(map(len, plain)) > LONGEST):
        raise ValueError(
            f"{columns.path}: row {row}: an architecture is a text, or a list of option indices or "
            f"of texts, not {reprlib.repr(plain)}"
        )
    return plain


def _legal(
    space: SearchSpace, described: Sequence[int] | Sequence[str], columns: Columns, row: int
) -> Architecture:
    """The architecture of option indices or of texts."""
    try:
        if all(isinstance(part, int) for part in described):
            return space.architecture(cast("Sequence[int]", described))
        return space.read(cast("Sequence[str]", described))
    except ValueError as error:
        raise ValueError(f"{columns.path}: row {row + 1}: {error}") from error


LAYOUTS: dict[str, Callable[[TableCard, Columns], Described]] = {
    "nasbench101": nasbench101, "nasbench201": nasbench201, "rows": rows,
}  # fmt: skip


def read_architectures(card: TableCard, columns: Columns) -> Described:
    """The architectures of a table.

    Raises:
        ValueError: a column that is not there, or an architecture that the space does not have;
            names the row.
    """
    return LAYOUTS[card.layout](card, columns)
