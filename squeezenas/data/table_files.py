"""The files of benchmark tables: named columns of a .npz, .csv or .json, never unpickled."""

from __future__ import annotations

import csv
import io
import json
import math
import reprlib
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import (
    MAGIC_PREFIX,
    read_array,
    read_array_header_1_0,
    read_array_header_2_0,
    read_magic,
)

from squeezenas.core.reading import read_bytes, read_text
from squeezenas.core.registry import nearest
from squeezenas.core.table_card import Column, TableCard, TableFigure

MOST_BYTES = 1 << 29
"""Of a file, and of what is packed in it; the largest benchmark, NAS-Bench-101, takes a tenth."""
MOST_CELLS = 1 << 26
"""Rows times columns of a .json, whose rows may each have others."""

_HEADS = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}

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

    def rows(self, name: str) -> Values:
        """A column with one value a row.

        Raises:
            ValueError: there is none of that name, or it is a lone value.
        """
        found = self[name]
        if isinstance(found, np.ndarray) and found.ndim == 0:
            raise ValueError(f"{self.path}: {name} is one value, not one a row")
        return found

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

    def integers(
        self, name: str, shape: tuple[int | None, ...], least: int, most: int
    ) -> np.ndarray:
        """An `array` of whole numbers within bounds.

        Raises:
            ValueError: as `array`, or there are others in it.
        """
        found = self.array(name, shape)
        if found.dtype.kind not in "biu":
            raise ValueError(f"{self.path}: {name} is of {found.dtype}, not of whole numbers")
        if found.size and not least <= found.min() <= found.max() <= most:
            raise ValueError(
                f"{self.path}: {name} has numbers from {found.min()} to {found.max()}, which are "
                f"not in {least}..{most}"
            )
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
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = " ".join(str(error).split()).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: {text}; write it anew as {path.suffix}") from error


def _npz(path: Path) -> dict[str, Values]:
    """The arrays of an archive, each as large as its bytes, and all of them within bounds."""
    found: dict[str, Values] = {}
    content = read_bytes(path, MOST_BYTES)
    if content.startswith(MAGIC_PREFIX):
        raise ValueError("a lone array, not named ones")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES:,} bytes when unpacked")
            for member in members:
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError("packed in a way that NumPy does not pack")
                name = member.filename.removesuffix(".npy")
                if name in found:
                    raise ValueError(f"array {name!r} is there twice")
                with archive.open(member) as file:  # archive.read would unpack more than it says
                    found[name] = _array(file.read(member.file_size))
    except Exception as error:  # damaged archives fail in every way there is
        raise ValueError(f"no whole archive of arrays ({error})") from error
    return found


def _array(content: bytes) -> np.ndarray:
    """An array in NumPy's own format, which is not made before its bytes are counted."""
    file = io.BytesIO(content)
    version = read_magic(file)
    shape, _, dtype = _HEADS[version](file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: they are pickles")
    size = math.prod(shape) * dtype.itemsize
    if size == 0:  # NumPy would make any number of rows of it
        raise ValueError(f"array {shape} of {dtype} has nothing in it")
    if size != len(content) - file.tell():
        raise ValueError(f"{len(content)} bytes are no array {shape} of {dtype}")
    file.seek(0)
    array: np.ndarray = read_array(file, allow_pickle=False)
    if dtype.kind == "U" and not _is_text(array):
        raise ValueError("texts with letters that Unicode does not have")
    return array


def _is_text(array: np.ndarray) -> bool:
    """NumPy keeps texts as numbers, which need not be those of letters."""
    letters = np.frombuffer(
        array.tobytes(), np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
    )
    return bool((letters <= sys.maxunicode).all())


def _csv(path: Path) -> dict[str, Values]:
    rows = list(csv.reader(io.StringIO(read_text(path, MOST_BYTES), newline="")))
    if not rows:
        raise ValueError("empty")
    names = rows[0]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"column {min(repeated)!r} is there twice")
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise ValueError(f"line {line} has {len(row)} fields for {len(names)} columns")
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(names)}


def _json(path: Path) -> dict[str, Values]:
    """Rows; NaN, which Python writes though JSON does not have it, is what was not measured."""
    rows = json.loads(read_text(path, MOST_BYTES))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of objects, one an architecture")
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(rows) * len(names) > MOST_CELLS:
        raise ValueError(f"{len(rows):,} rows of {len(names):,} columns are more than are read")
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
    found = columns.rows(column.column)
    if isinstance(found, list):
        found = [np.nan if value in ("", None) else value for value in found]
    try:
        array = np.array(found, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
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
        except (TypeError, ValueError, OverflowError):
            return f"{reprlib.repr(value)} in row {row}, which is no number"
    return "rows of different lengths"
