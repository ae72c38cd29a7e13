"""What the commands on benchmark tables share: the cards of tables, and one among the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from omegaconf import OmegaConf

from squeezenas.core.config import Strict
from squeezenas.core.overrides import merge, parse
from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import cards, find, origin_of
from squeezenas.core.validation import validated

C = TypeVar("C", bound=Strict)


def table_cards() -> dict[str, Path]:
    """Name -> file of every card of a table, sorted by name; broken cards are none."""
    return {name: file for name, file in cards("datasets").items() if _is_table(file)}


def load_table_config(kind: type[C], arguments: Sequence[str]) -> C:
    """The configuration from arguments like `datasets=nasbench201 figure=cifar10_val_12ep`.

    Args:
        kind: the schema, which has the table under `datasets`.
        arguments: words of the command line.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: no table, unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, ["datasets"])
    known = ", ".join(table_cards())
    if "datasets" not in request.cards:
        raise ValueError(f"name a table with datasets=CARD; known: {known}")
    name = request.cards["datasets"]
    file = find("datasets", name)
    card = read_yaml(file)
    if card.get("task") != "table":
        raise ValueError(f"datasets={name} is no table of results; known: {known}")
    origin = origin_of(request, {"datasets": file})
    content = merge(OmegaConf.create({"datasets": card}), request.values, origin)
    return validated(kind, content, origin)


def _is_table(file: Path) -> bool:
    try:
        return bool(read_yaml(file).get("task") == "table")
    except (ValueError, OSError):  # of a card that was not asked for
        return False
