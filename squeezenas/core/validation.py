"""Data against a schema: the faults at once, each with its full key and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from squeezenas.core.registry import nearest
from squeezenas.core.schema import Key, keys, show

M = TypeVar("M", bound=BaseModel)
LONGEST = 600
"""Characters of what is said of one key, before where it comes from."""
MOST = 50
"""Keys that are told of at once."""
Origin = Callable[[str], str]


def validated(model: type[M], data: Any, origin: Origin, prefix: str = "") -> M:
    """The data as a `model`.

    Args:
        model: the schema.
        data: a mapping, resolved.
        origin: full key -> where its value comes from ("in cards/x.yaml", "on the command line").
        prefix: dotted path of the data within the whole configuration.

    Raises:
        ValueError: what is wrong, one line a key; of very many the first.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        known = {key.path: key for key in keys(model, prefix, data)}
        faults, lines = error.errors(include_url=False), []
        for fault in faults[:MOST]:
            full = _full_key(prefix, fault)
            line = shortened(f"{shortened(full)}: {_sentence(full, fault, known)}")
            lines.append(f"{line} {origin(full)}".rstrip())
        head = f"{len(faults)} keys are wrong:\n  " if len(faults) > 1 else ""
        if len(faults) > MOST:
            lines.append(f"and {len(faults) - MOST} more")
        raise ValueError(head + "\n  ".join(lines)) from None


def shortened(text: str) -> str:
    """The text, cut where nobody reads on: a stranger's may have millions of characters."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def suggestion(key: str, known: list[str]) -> str:
    """A half sentence that points at the full key that was probably meant, or nothing.

    A key with the same ending in another group comes first (`batch_size` -> `regime.batch_size`),
    then one of the same group that is spelled alike, then any that is spelled alike.
    """
    parts = key.split(".")
    for start in range(len(parts)):
        ending = "." + ".".join(parts[start:])
        same = [path for path in known if f".{path}".endswith(ending)]
        if same:
            return f" (did you mean {same[0]!r}?)"
    group = "".join(f"{part}." for part in parts[:-1])
    inside = [path.removeprefix(group) for path in known if path.startswith(group)]
    siblings = sorted({group + rest.partition(".")[0] for rest in inside})
    return nearest(key, siblings) or nearest(key, known)


def _full_key(prefix: str, fault: ErrorDetails) -> str:
    """`regime.crop[1]`; for an unknown group, down to the first value in it."""
    path = prefix
    for part in fault["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    inside = fault["input"] if fault["type"] == "extra_forbidden" else None
    while isinstance(inside, dict) and inside:
        part, inside = next(iter(inside.items()))
        path += f".{part}"
    return path or "configuration"


def _sentence(full: str, fault: ErrorDetails, known: dict[str, Key]) -> str:
    kind = fault["type"]
    if kind == "extra_forbidden":
        return f"unknown key{suggestion(full, list(known))}"
    if kind == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        return f"{fault['input']!r} does not match {fault['ctx']['pattern']}"
    expected = known[full].accepts if full in known else _first_level(full, known)
    if kind == "missing":
        return f"missing, expected {expected}" if expected else "missing"
    if not expected:  # an item of a list or mapping: pydantic's own words describe it best
        expected = fault["msg"].removeprefix("Input should be ").partition(",")[0]
    return f"expected {expected}, got {_given(fault['input'])}"


def _given(value: Any) -> str:
    return f"the text {value!r}" if isinstance(value, str) else show(value)


def _first_level(full: str, known: dict[str, Key]) -> str:
    """What a group of keys accepts: its first level, or nothing if it is no group."""
    inside = [path[len(full) + 1 :] for path in known if path.startswith(full + ".")]
    names = list(dict.fromkeys(path.partition(".")[0] for path in inside))
    return "a group of keys (" + ", ".join(names) + ")" if names else ""
