"""Files of a run folder, bounded: tables, JSON lines and pictures."""

from __future__ import annotations

import base64
import csv
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from squeezenas.core.reading import MIB, parse_json, read_bytes, read_text
from squeezenas.report.page.plain import mapping, number

TABLE_LIMIT = 128 * MIB
LINES_LIMIT = 1024 * MIB
PICTURE_LIMIT = 64 * MIB
WIDEST = 1400  # pixels of an embedded picture
BOMBS = (Image.DecompressionBombWarning, Image.DecompressionBombError)
COLUMNS = 200
ROWS = 50_000

Cell = float | bool | str | None


@dataclass
class Series:
    """A metric over steps; None where it was not finite."""

    steps: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """A CSV file by columns: all numbers, all truths, or all texts; None where a field is empty.

    Attributes:
        columns: name -> values.
        left_out: rows after the first `ROWS`.
    """

    columns: dict[str, list[Cell]]
    left_out: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def numbers(self, name: str) -> list[float | None]:
        """A column of numbers; None in every row where it is no such column."""
        return [number(value) for value in self.columns.get(name, [None] * len(self))]

    def texts(self, name: str) -> list[str]:
        """A column as text; empty in every row where there is none."""
        return ["" if v is None else str(v) for v in self.columns.get(name, [None] * len(self))]


def read_lines(path: Path) -> dict[str, Series]:
    """The metrics of a JSON-lines file by name; a last line that is not whole is left out.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, or a line is no JSON object; names file and line.
    """
    series: dict[str, Series] = {}
    if not path.is_file():
        return series
    if path.stat().st_size > LINES_LIMIT:
        raise ValueError(f"{path}: larger than {LINES_LIMIT:,} bytes; cut its end off")
    with path.open("rb") as file:
        for count, line in enumerate(iter(lambda: file.readline(MIB), b""), 1):
            if not line.endswith(b"\n"):
                if len(line) == MIB:
                    raise ValueError(f"{path}, line {count}: longer than {MIB:,} bytes")
                break  # being written
            record = parse_json(line.decode("utf-8", "replace"), f"{path}, record {count}")
            if not isinstance(record, dict):
                raise ValueError(f"{path}, line {count}: expected a JSON object")
            step = number(record.get("step"))
            for name, value in mapping(record).items():
                room = name in series or len(series) < COLUMNS
                if name != "step" and step is not None and room:
                    one = series.setdefault(name, Series())
                    one.steps.append(step)
                    one.values.append(number(value))
    return series


def read_table(path: Path) -> Table | None:
    """The table in a CSV file, or None where there is none.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, not UTF-8, or has more fields than names; names the file.
    """
    if not path.is_file():
        return None
    reader = csv.reader(io.StringIO(read_text(path, TABLE_LIMIT), newline=""))
    try:
        names = next(reader, [])
        if len(names) > COLUMNS or len(set(names)) < len(names):
            raise ValueError(f"{path}: more than {COLUMNS} columns, or two of one name")
        rows: list[list[str]] = []
        left_out = 0
        for row in reader:
            if len(row) > len(names):
                raise ValueError(f"{path}, line {reader.line_num}: more fields than columns")
            if len(rows) < ROWS:
                rows.append(row + [""] * (len(names) - len(row)))
            else:
                left_out += 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not CSV ({error})") from None
    columns = {name: _typed([row[i] for row in rows]) for i, name in enumerate(names)}
    return Table(columns, left_out)


def _typed(fields: list[str]) -> list[Cell]:
    filled = {one for one in fields if one}
    if filled <= {"True", "False"}:
        return [one == "True" if one else None for one in fields]
    try:
        return [number(float(one)) if one else None for one in fields]
    except ValueError:
        return [one or None for one in fields]


def read_picture(path: Path) -> str | None:
    """A picture as a data URI of a JPEG of at most `WIDEST` pixels' width; None without a file.

    Raises:
        OSError, ValueError: it is no picture, or too large; names the file.
    """
    if not path.is_file():
        return None
    content = read_bytes(path, PICTURE_LIMIT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                shown = picture.convert("RGB")
        shown.thumbnail((WIDEST, 4 * WIDEST))
    except (*BOMBS, OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{path}: not a picture that can be shown ({error}); remove it") from None
    kept = io.BytesIO()
    shown.save(kept, "JPEG", quality=86, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(kept.getvalue()).decode()
