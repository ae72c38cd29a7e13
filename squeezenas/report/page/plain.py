"""Values of strangers' files, of the type that is asked for or absent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LETTERS = 2_000


def number(value: Any) -> float | None:
    """A finite number; None for anything else, booleans too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def mapping(value: Any) -> dict[str, Any]:
    """A mapping with its keys as text; empty for anything else."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path such as `regime.cost.target`; None where there is nothing."""
    for key in path.split("."):
        value = mapping(value).get(key)
    return value


def text(value: Any) -> str:
    """For people: lists with spaces between, numbers short, nothing for None; cut when huge."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    if isinstance(value, list):
        return " ".join(text(item) for item in value[:LETTERS])[:LETTERS]
    return str(value)[:LETTERS]


def words(value: Any) -> list[str]:
    """A list as texts, whole; empty for anything else."""
    return [str(item) for item in value] if isinstance(value, list) else []
