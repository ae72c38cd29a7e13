"""The schema of a comparison: which strategies, on which table, how long and how often."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from squeezenas.core.config import Positive, Strict, several
from squeezenas.core.overrides import merge
from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import cards
from squeezenas.core.table_card import TableCard
from squeezenas.core.table_config import load_table_config

ALL = "all"


class CompareConfig(Strict):
    """Strategies that search the same table, with the same seeds."""

    strategies: Annotated[tuple[str, ...], BeforeValidator(several), Field(min_length=1)] = (ALL,)
    """all, or names with commas between them."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Keys of strategies, `settings.aging_evolution.population=20`, laid over those of the card
    training_regimes/search_<strategy>.yaml, which suit a few hundred evaluations; papers' defaults
    are for thousands. With a `name` it is a variant, `settings.small={name: aging_evolution,
    population: 20}`; with `seeds`, it has fewer."""
    figure: str = ""
    """What is searched for; empty: the table's first figure."""
    report: str = ""
    """Another figure, of which that of the network found is told."""
    budget: Annotated[tuple[Positive, ...], BeforeValidator(several), Field(min_length=1)] = (300,)
    """Evaluations of a search; of several, `[150,300]`, the results after each. The largest must
    exceed what each strategy begins with before it learns."""
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
    return load_table_config(CompareConfig, arguments)


def card_keys(strategy: str) -> dict[str, Any]:
    """Keys of a strategy by its card, training_regimes/search_<strategy>.yaml; none without one.

    Raises:
        ValueError: the card is broken.
    """
    file = cards("training_regimes").get(f"search_{strategy}")
    content = (
        merge(read_yaml(file), {}, lambda key: f"(in {file})").get("strategy") if file else None
    )
    if not isinstance(content, dict) or content.get("name") != strategy:
        return {}
    return {key: value for key, value in content.items() if key != "name"}
