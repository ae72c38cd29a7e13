"""The files of benchmark tables: named columns of a .npz, .csv or .json, never unpickled."""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from squeezenas.core.registry import nearest
from squeezenas.core.table_card import Column, TableCard, TableFigure

Values = np.ndarray | Sequence[Any]


@dataclass(frozen=True)
class Columns:
    """The columns of one file.

    Args:
        path: the file.
        values: by name, one a row.
    """

    path: Path
    values: dict[str, Values]

    def __getitem__(self, name: str) -> Values:
        """A column.

        Raises:
            ValueError: there is none of that name.
        """
        if name not in self.values:
            known = list(self.values)
            raise ValueError(
                f"{self.path}: no column {name!r}{nearest(name, known)}; it has {', '.join(known)}"
            )
        return self.values[name]

    def array(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """A column of a benchmark's .npz; None stands for any length.

        Raises:
            ValueError: there is none of that name, or it has another shape.
        """
        found = np.asarray(self[name])
        fits = found.ndim == len(shape) and all(
            wanted in (None, got) for wanted, got in zip(shape, found.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("rows" if side is None else str(side) for side in shape)
            raise ValueError(f"{self.path}: {name} has shape {found.shape} instead of ({wanted})")
        return found


def open_columns(card: TableCard, file: str) -> Columns:
    """A file of a table.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is of another kind, broken, or its rows differ in what they have.
    """
    path = card.root / file
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; set datasets.root to the folder that has it ({card.how_to_get})"
        )
    readers = {".npz": _npz, ".csv": _csv, ".json": _json}
    if path.suffix not in readers:
        raise ValueError(f"{path}: a table is a .npz, .csv or .json file")
    try:
        return Columns(path, readers[path.suffix](path))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, csv.Error) as error:
        text = " ".join(str(error).split())
        raise ValueError(f"{path}: {text}; write it anew as {path.suffix}") from error


def _npz(path: Path) -> dict[str, Values]:
    arrays = np.load(path, allow_pickle=False)
    if isinstance(arrays, np.ndarray):
        raise ValueError("a lone array, not named ones")
    with arrays:
        return {name: arrays[name] for name in arrays.files}


def _csv(path: Path) -> dict[str, Values]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    if not rows:
        raise ValueError("empty")
    names = rows[0]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"column {min(repeated)!r} is there twice")
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise ValueError(f"line {line} has {len(row)} fields for {len(names)} columns")
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(names)}


def _json(path: Path) -> dict[str, Values]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of objects, one an architecture")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def measurements(card: TableCard, columns: Columns, rows: int) -> dict[str, np.ndarray]:
    """Every figure and cost by name, `(rows,)` float64; NaN: not measured.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: no such column, another number of rows, something that is no number, a share
            beyond 0..1, or a cost that is not above 0; names the row.
    """
    files = {"": columns, card.file: columns}
    numbers = {}
    for name, column in {**card.figures, **card.costs}.items():
        if column.file not in files:
            files[column.file] = open_columns(card, column.file)
        source = files[column.file]
        found = _numbers(source, column)
        if len(found) != rows:
            raise ValueError(
                f"{source.path}: {column.column} has {len(found):,} rows, but there are {rows:,} "
                "architectures"
            )
        percent = isinstance(column, TableFigure) and column.percent
        if percent and (wrong := np.flatnonzero((found < 0) | (found > 1))).size:
            raise ValueError(
                f"{source.path}: {column.column} is {found[wrong[0]]:g} in row {wrong[0] + 1}, "
                f"no share between 0 and 1; set datasets.figures.{name}.divide_by to 100 if it "
                "holds percentages, or percent to false"
            )
        if name in card.costs and (wrong := np.flatnonzero(found <= 0)).size:
            raise ValueError(
                f"{source.path}: {column.column} is {found[wrong[0]]:g} in row {wrong[0] + 1}; "
                f"costs are above 0. If this means that it was not measured, set "
                f"datasets.costs.{name}.missing"
            )
        numbers[name] = found
    return numbers


def _numbers(columns: Columns, column: Column) -> np.ndarray:
    """A column in float64, divided; NaN for what was not measured."""
    found = columns[column.column]
    if isinstance(found, list):
        found = [np.nan if value in ("", None) else value for value in found]
    try:
        array = np.array(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{columns.path}: {column.column} has {_culprit(found)}; correct it, or leave it empty "
            "if nothing was measured"
        ) from None
    if array.ndim > 1 and column.index is None:
        raise ValueError(
            f"{columns.path}: {column.column} has {array.shape[1]} numbers a row; say which with "
            "index"
        )
    if column.index is not None:
        if array.ndim != 2 or column.index >= array.shape[1]:
            raise ValueError(
                f"{columns.path}: {column.column} has no index {column.index}; its shape is "
                f"{array.shape}"
            )
        array = array[:, column.index]
    if column.missing is not None:
        array[array == column.missing] = np.nan
    if (infinite := np.flatnonzero(np.isinf(array))).size:
        raise ValueError(
            f"{columns.path}: {column.column} is infinite in row {infinite[0] + 1}; leave it empty "
            "if nothing was measured"
        )
    return array / column.divide_by


def _culprit(values: Values) -> str:
    """The first value that is no number, for people."""
    for row, value in enumerate(values, 1):
        try:
            float(value)
        except (TypeError, ValueError):
            return f"{value!r} in row {row}, which is no number"
    return "rows of different lengths"
