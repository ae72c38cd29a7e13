"""Published latency tables, read as they were released.

* FasterSeg (arXiv:1912.10917): one JSON object, operator text -> milliseconds.
* FBNet (arXiv:1812.03443): text, one line a layer and one number an option, with or without a line
  of option names on top (two independent ports; the paper's own tables were never released).
* ProxylessNAS (arXiv:1812.00332): YAML, block text -> count, mean and variance of milliseconds.

Only the FBNet format says which option of which choice a number belongs to, so it alone becomes a
`CostTable` without a macro-architecture (`layers_table`).
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from squeezenas.core.architecture import Choice
from squeezenas.core.reading import read_json, read_plain_yaml, read_text
from squeezenas.costs.table import CostTable

_SIZE = r"\d{1,9}"
"""Of a layer; Python converts no number of thousands of digits."""


class Operator(NamedTuple):
    """A FasterSeg operator: `BasicResidual1x_H128_W256_Cin32_Cout64_stride2_dilation1`.

    `stride`, `dilation` and `kernel` are 1 where the text does not give them.
    """

    name: str
    height: int
    width: int
    c_in: int
    c_out: int
    kernel: int
    stride: int
    dilation: int


class Block(NamedTuple):
    """A ProxylessNAS block; shapes are (height, width, channels), or (features,) behind pooling.

    `expand`, `kernel` and `stride` are None for the stem, the last convolution and the classifier.
    """

    name: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    expand: int | None
    kernel: int | None
    stride: int | None
    identity: bool


class Measurement(NamedTuple):
    """How often a block was timed, the mean in ms, and the variance in ms^2."""

    samples: int
    mean: float
    variance: float


class Layers(NamedTuple):
    """An FBNet table: option names, if the file has them, and a row of costs a layer."""

    options: tuple[str, ...] | None
    rows: tuple[tuple[float, ...], ...]


def read_fasterseg(path: Path) -> dict[Operator, float]:
    """Milliseconds by operator.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON, or an entry that is no operator or no latency; names file and key.
    """
    document = read_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path}: a FasterSeg table is one JSON object of operators")
    return {
        _operator(path, key): _number(f"{path}, key {key!r}", milliseconds)
        for key, milliseconds in document.items()
    }


def read_fbnet(path: Path) -> Layers:
    """Rows of costs, in the file's own unit; layers without a skip have one number less.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no rows, a word that is no number, or a row that does not fit the names; names
            file and line.
    """
    options: tuple[str, ...] | None = None
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if number == 1 and not _is_number(words[0]):
            options = tuple(words)
            continue
        where = f"{path}, line {number}"
        if options is not None and len(words) != len(options):
            raise ValueError(f"{where}: {len(words)} numbers for {len(options)} options")
        rows.append(tuple(_number(where, word) for word in words))
    if not rows:
        raise ValueError(f"{path}: no layers; an FBNet table has one line of numbers a layer")
    return Layers(options, tuple(rows))


def read_proxylessnas(path: Path) -> dict[Block, Measurement]:
    """Measurements by block.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, or an entry that is no block or no measurement; names file and key.
    """
    document = read_plain_yaml(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path}: a ProxylessNAS table is one YAML mapping of blocks")
    return {_block(path, key): _measurement(path, key, entry) for key, entry in document.items()}


def layers_table(
    layers: Layers, milliseconds: float = 1.0, fixed: float = 0.0, source: str = ""
) -> CostTable:
    """A latency table with one choice a layer: `layer00`, `layer01`, ...

    Args:
        layers: what `read_fbnet` found; columns without names become `option0`, `option1`, ...
        milliseconds: how many milliseconds one unit of the file is.
        fixed: milliseconds that every network pays besides.
        source: where the table comes from, for its provenance.
    """
    longest = max(len(row) for row in layers.rows)
    options = layers.options or tuple(f"option{column}" for column in range(longest))
    choices = tuple(
        Choice(f"layer{index:02d}", options[: len(row)]) for index, row in enumerate(layers.rows)
    )
    costs = {
        choice.key: tuple(value * milliseconds for value in row)
        for choice, row in zip(choices, layers.rows, strict=True)
    }
    return CostTable("latency", choices, costs, fixed, {"source": source})


def _operator(path: Path, key: str) -> Operator:
    match = re.fullmatch(
        rf"(\w+?)_H({_SIZE})_W({_SIZE})_(?:C({_SIZE})|Cin({_SIZE})_Cout({_SIZE}))"
        rf"(?:_kernel({_SIZE}))?(?:_stride({_SIZE}))?(?:_dilation({_SIZE}))?",
        key,
    )
    if match is None:
        raise ValueError(f"{path}, key {key!r}: not an operator such as ff_H128_W256_C64")
    name, height, width, both, c_in, c_out, *rest = match.groups()
    sizes = (int(height), int(width), int(c_in or both), int(c_out or both))
    return Operator(name, *sizes, *(int(number or 1) for number in rest))


def _block(path: Path, key: object) -> Block:
    shape = rf"{_SIZE}(?:x{_SIZE})*"
    match = re.fullmatch(
        rf"(\w+)-input:({shape})-output:({shape})"
        rf"(?:-expand:({_SIZE})-kernel:({_SIZE})-stride:({_SIZE})-idskip:([01]))?:?",
        str(key),
    )
    if match is None:
        raise ValueError(f"{path}, key {key!r}: not <block>-input:HxWxC-output:HxWxC-expand:...")
    name, source, target, *numbers = match.groups()
    expand, kernel, stride, identity = (int(n) if n else None for n in numbers)
    return Block(name, _sizes(source), _sizes(target), expand, kernel, stride, bool(identity))


def _measurement(path: Path, key: object, entry: Any) -> Measurement:
    where = f"{path}, key {key!r}"
    if not isinstance(entry, dict) or set(entry) != {"count", "mean", "var"}:
        raise ValueError(f"{where}: a measurement has count, mean and var")
    count, mean, variance = (_number(where, entry[name]) for name in ("count", "mean", "var"))
    return Measurement(int(count), mean, variance)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split("x"))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _number(where: str, value: Any) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | str)
        or not _is_number(str(value))
    ):
        raise ValueError(f"{where}: {value!r} is not a number")
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{where}: {value!r} is no latency: it must be finite and not negative")
    return number
