"""Files of strangers: bounded in size, depth and nodes before any of it is built.

Whatever is wrong with a file is a `ValueError` that names it, so that no file, however it was made,
takes the program's memory or time, or ends it with a traceback. docs/safety.md tells of the rest.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import re
from pathlib import Path
from typing import Any, NoReturn

import yaml
from omegaconf import DictConfig, OmegaConf

MIB = 1 << 20
TEXT_LIMIT = 16 * MIB
"""Bytes of a text or JSON file whose reader names no limit of its own."""
LINES_LIMIT = 1024 * MIB
"""Bytes of a file of JSON lines, such as the metrics of a long run."""
YAML_LIMIT = MIB // 2
"""Bytes of a YAML file, which takes seconds to parse; cards have a few thousand."""
YAML_NODES = 25_000
"""Values of a YAML file, those behind aliases counted as often as they are repeated; to find what
is wrong with each takes seconds. The card of ImageNet-21k has 21,841 classes."""
DEPTH = 32
"""Levels of nesting in a YAML or JSON file."""
WORD = 10_000
"""Characters of a YAML value without quotes, or with an interpolation: more take long to parse."""
DIGITS = 1_000
"""Characters of a whole number in YAML; Python writes none of more than 4,300 digits in a message,
which one of base 16 may have."""

_REFERENCE = re.compile(r"\$\{oc\.env:\w+_ROOT(,[^${}]*)?\}")
_WHOLE = re.compile(r"[-+]?\d[\da-fx_:]*", re.IGNORECASE)
_NESTED = (dict, list)
_COUNTED: dict[str, Any] = (
    {"max_yaml_expanded_nodes": None}
    if "max_yaml_expanded_nodes" in inspect.signature(OmegaConf.load).parameters
    else {}
)
"""Has OmegaConf 2.4, which stops at 10,000 values, leave it to `check_yaml` to count them."""


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is larger, or a folder, pipe or device.
        OSError: it cannot be read.
    """
    if not path.is_file():
        if path.exists():
            raise ValueError(f"{path}: a folder, pipe or device; name a file")
        raise FileNotFoundError(f"{path}: no such file; check the path")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        limit = min(limit, size + MIB)  # memory for all that is asked for is taken at once
        content = file.read(limit + 1) if size <= limit else b""
    size = max(size, len(content))
    if size > limit:
        raise ValueError(
            f"{path}: {size:,} bytes where at most {limit:,} are read; name another file"
        )
    return content


def read_text(path: Path, limit: int = TEXT_LIMIT) -> str:
    """The UTF-8 text of a file of at most `limit` bytes.

    Raises:
        FileNotFoundError, OSError, ValueError: as `read_bytes`, or it is not UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8"
        ) from None


def read_json(path: Path, limit: int = TEXT_LIMIT) -> Any:
    """The value in a JSON file, without NaN and infinities, which JSON does not have.

    Raises:
        FileNotFoundError, OSError, ValueError: as `read_text`, or it is not JSON, nested more than
            `DEPTH` deep, or a number of thousands of digits; names the file, and the line.
    """
    return parse_json(read_text(path, limit), str(path))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in a file of one JSON object a line.

    Raises:
        FileNotFoundError, OSError, ValueError: as `read_json`, or a line is no object.
    """
    found = []
    for number, line in enumerate(read_text(path, LINES_LIMIT).splitlines(), 1):
        record = parse_json(line, f"{path}, record {number}")
        if not isinstance(record, dict):
            raise ValueError(f"{path}, record {number}: expected a JSON object")
        found.append(record)
    return found


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text, of which `where` tells in messages.

    Raises:
        ValueError: as `read_json`.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
        _require_shallow(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}, line {error.lineno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise ValueError(f"{where}: nested more than {DEPTH} deep; correct the JSON") from None
    except ValueError as error:  # numbers
        raise ValueError(f"{where}: {error}; correct the JSON") from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _require_shallow(value: Any) -> None:
    """Level by level, and only what can have levels: recursion is what deep nesting attacks."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [
            item
            for outer in level
            if isinstance(outer, _NESTED)
            for item in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(item, _NESTED)
        ]
        if not level:
            return
    raise RecursionError


def read_yaml(path: Path) -> DictConfig:
    """The mapping in a YAML file, interpolations unresolved; `1e-3` is a number.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: broken syntax, a key given twice, text that is not UTF-8, or no mapping; too
            large or too deep; an interpolation that is not allowed; names the file, and the line
            where there is one.
    """
    text, is_mapping = _yaml_text(path)
    try:
        # OmegaConf would parse a lone text once more, which nobody has checked.
        content = OmegaConf.load(io.StringIO(text), **_COUNTED) if is_mapping else None
    except Exception as error:  # values that are none of their kind fail in every way there is
        raise ValueError(f"{path}{_problem(error)}; correct the YAML") from None
    if not isinstance(content, DictConfig):
        raise ValueError(f"{path}: expected `key: value` lines at the top level")
    return content


def read_plain_yaml(path: Path) -> Any:
    """The value in a YAML file, as its standard has it: `1e-3` is a text.

    Raises:
        FileNotFoundError, OSError, ValueError: as `read_yaml`.
    """
    text, _ = _yaml_text(path)
    try:
        return yaml.safe_load(text)
    except Exception as error:  # as above
        raise ValueError(f"{path}{_problem(error)}; correct the YAML") from None


def _yaml_text(path: Path) -> tuple[str, bool]:
    text = read_text(path, YAML_LIMIT)
    try:
        return text, check_yaml(text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # "\UFFFFFFFF" is no letter
        raise ValueError(f"{path}{_problem(error)}; correct the YAML") from None


def check_yaml(text: str) -> bool:
    """Refuses YAML that would grow beyond bounds, or read what is none of its business.

    Aliases may repeat values until `YAML_NODES` are reached. Of the environment only a place of
    data can be asked for, `${oc.env:NAME_ROOT,default}`: a card sent by a stranger must not carry
    the reader's keys into a run's name or log. Interpolations that join texts would grow as
    aliases do. Tags would have texts read as what they are not, in ways that nothing here needs.

    Returns:
        Whether it is a mapping, or nothing at all.

    Raises:
        ValueError: says what is too large or not allowed.
        yaml.YAMLError: broken syntax.
    """
    sizes: dict[str, int] = {}
    levels: list[tuple[str | None, int]] = [(None, 0)]  # anchor, and nodes so far

    def add(anchor: str | None, nodes: int) -> None:
        outer, before = levels[-1]
        levels[-1] = (outer, before + nodes)
        if anchor is not None:
            sizes[anchor] = nodes
        if before + nodes > YAML_NODES:
            raise ValueError(f"more than {YAML_NODES:,} values, aliases written out")

    root: yaml.NodeEvent | None = None
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if root is None and isinstance(event, yaml.NodeEvent):
            root = event
        if (tag := getattr(event, "tag", None)) is not None:
            raise ValueError(f"the tag {tag[:60]!r} is not read; take it out")
        if isinstance(event, yaml.CollectionStartEvent):
            levels.append((event.anchor, 1))
            if len(levels) - 1 > DEPTH:
                raise ValueError(f"nested more than {DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            add(*levels.pop())
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in levels):
                raise ValueError(f"*{event.anchor} stands within itself")
            add(None, sizes.get(event.anchor or "", 1))
        elif isinstance(event, yaml.ScalarEvent):
            add(event.anchor, _scalar_nodes(event))
    return root is None or isinstance(root, yaml.MappingStartEvent)


def _scalar_nodes(event: yaml.ScalarEvent) -> int:
    """An interpolation is parsed letter by letter wherever it is repeated, and counts by them."""
    text, size = event.value, len(event.value)
    long = size > WORD or (size > DIGITS and _WHOLE.fullmatch(text))
    if event.style is None and long:
        raise ValueError(f"a value of {size:,} characters; put it into quotes")
    if "${" not in text:
        return 1
    if "${" in _REFERENCE.sub("", text):
        raise ValueError(
            f"{text[:60]!r} is not understood: of interpolations there is "
            "${oc.env:NAME_ROOT,default}, which reads a variable that ends in _ROOT"
        )
    if size > WORD:
        raise ValueError(f"an interpolation in {size:,} characters; shorten it")
    return size


def _problem(error: Exception) -> str:
    """`, line 3: what is wrong`."""
    if isinstance(error, yaml.MarkedYAMLError):
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return f"{line}: {error.problem}"
    return f": {' '.join(str(error).split())}"
