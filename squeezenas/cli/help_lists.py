"""What help pages list: cards with their descriptions, keys with their meanings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import DEFAULT_RETRAINING, DEFAULT_SEARCH, cards
from squeezenas.core.schema import Key

WIDTH = 100


def card_lines(group: str, beginning: str = "") -> list[str]:
    """The cards of a group such as `models` whose names begin so, each with what it is."""
    found = cards(group)
    return file_lines(group, {name: found[name] for name in found if name.startswith(beginning)})


def file_lines(group: str, found: Mapping[str, Path]) -> list[str]:
    """The cards in these files under a heading; one that cannot be read says why."""
    lines = [f"{group}:"]
    for name, file in found.items():
        try:
            card = read_yaml(file)
            about = str(card.get("description") or card.get("title") or "")
        except (ValueError, OSError) as error:  # a broken card must not take the help page away
            about = f"unreadable: {error}"
        mark = " (default)" if name in (DEFAULT_SEARCH, DEFAULT_RETRAINING) else ""
        lines += textwrap.wrap(
            f"{name:<22} {about}{mark}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * 25,
            break_on_hyphens=False,
        )
    return lines


def key_lines(schema: Iterable[Key]) -> list[str]:
    """The keys with what they accept, their defaults and meanings."""
    lines = []
    for key in schema:
        default = "" if key.default is None else f", default {key.default}"
        lines.append(f"  {key.path}: {key.accepts}{default}")
        lines += textwrap.wrap(
            key.meaning, WIDTH, initial_indent="      ", subsequent_indent="      "
        )
    return lines
