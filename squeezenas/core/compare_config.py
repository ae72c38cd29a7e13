"""The schema of a comparison: which strategies, on which table, how long and how often."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from omegaconf import OmegaConf
from pydantic import BeforeValidator, Field, field_validator

from squeezenas.core.config import Positive, Strict
from squeezenas.core.files import read_yaml
from squeezenas.core.overrides import merge, parse
from squeezenas.core.recipes import cards, find, origin_of
from squeezenas.core.table_card import TableCard
from squeezenas.core.validation import validated

ALL = "all"


def _several(value: Any) -> Any:
    """One alone is a list of one; `a,b` are two."""
    if isinstance(value, str):
        return value.split(",")
    return [value] if isinstance(value, int) else value


class CompareConfig(Strict):
    """Strategies that search the same table, with the same seeds."""

    strategies: Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)] = (ALL,)
    """all, or names with commas between them."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Keys of strategies, `settings.aging_evolution.population=20`. With a `name` it is a variant,
    `settings.small={name: aging_evolution, population: 20}`; with `seeds`, it has fewer."""
    figure: str = ""
    """What is searched for; empty: the table's first figure."""
    report: str = ""
    """Another figure, of which that of the network found is told."""
    budget: Annotated[tuple[Positive, ...], BeforeValidator(_several), Field(min_length=1)] = (300,)
    """Evaluations of a search; of several, `[150,300]`, the results after each."""
    seeds: int = Field(30, ge=2)
    """Searches of each strategy."""
    jobs: Positive = 1
    """Searches that run at a time, each in a process of one thread."""
    output: Path | None = None
    """Folder for comparison.json and comparison.png; omitted: only printed."""
    datasets: TableCard
    """The table, `datasets=<card>`."""

    @field_validator("budget")
    @classmethod
    def _rising(cls, budget: tuple[int, ...]) -> tuple[int, ...]:
        if list(budget) != sorted(set(budget)):
            raise ValueError(f"must rise, got {list(budget)}")
        return budget


def load_comparison(arguments: Sequence[str]) -> CompareConfig:
    """The configuration from arguments like `datasets=nasbench201 strategies=all budget=300`.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: no table, unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, ["datasets"])
    if "datasets" not in request.cards:
        raise ValueError(f"name a table with datasets=CARD; known: {_tables()}")
    file = find("datasets", request.cards["datasets"])
    if not _is_table(file):
        raise ValueError(
            f"datasets={request.cards['datasets']} is no table of results; known: {_tables()}"
        )
    content = merge(OmegaConf.create({"datasets": read_yaml(file)}), request.values)
    return validated(CompareConfig, content, origin_of(request, {"datasets": file}))


def _tables() -> str:
    return ", ".join(name for name, file in cards("datasets").items() if _is_table(file))


def _is_table(file: Path) -> bool:
    return bool(read_yaml(file).get("task") == "table")
