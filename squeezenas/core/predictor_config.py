"""The schema of `squeezenas predictor`: what learns from which rows of a table, and is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from squeezenas.core.config import Positive, Strict, several
from squeezenas.core.table_card import TableCard
from squeezenas.core.table_config import load_table_config


class PredictorConfig(Strict):
    """What both commands take."""

    datasets: TableCard
    """The table, `datasets=<card>`."""
    figure: str = ""
    """What is predicted; empty: the first figure of the table."""
    seed: int = Field(0, ge=0)
    """Seed of every draw."""


Names = Annotated[tuple[str, ...], BeforeValidator(several), Field(min_length=1)]


class ScoreConfig(PredictorConfig):
    """Predictors, compared on the same repeated splits."""

    predictor: Names = ("gcn", "mlp", "rnn", "boosting")
    """Registered predictors."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Keys of predictors that are set anew: `settings.gcn.stages=2`."""
    n: int = Field(172, ge=2)
    """Architectures that each learns from."""
    splits: Positive = 20
    """Random divisions into what is learned from and what is predicted."""
    test: int = Field(5000, ge=0)
    """Architectures that are predicted in each split; 0, or more than there are: all others."""
    top: Annotated[tuple[Positive, ...], BeforeValidator(several)] = (1, 10, 100)
    """Numbers of best predicted architectures whose regret is told."""
    output: Path | None = None
    """Folder for predictors.json; omitted: only printed."""


class FitConfig(PredictorConfig):
    """One predictor, fitted and kept."""

    predictor: str = "gcn"
    """A registered predictor."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Its keys that are set anew: `settings.stages=2`."""
    n: int = Field(0, ge=0)
    """Architectures that it learns from, drawn from the table; 0: all."""
    candidates: Path | None = None
    """Text file of architectures to predict, one a line as the space writes them; omitted: those
    of the table that were not learned from."""
    output: Path
    """Folder for predictor.safetensors and predictions.csv. The predictor itself gives minus the
    figure where lower is better."""


C = TypeVar("C", bound=PredictorConfig)


def load_predictor_config(kind: type[C], arguments: Sequence[str]) -> C:
    """The configuration from arguments like `datasets=nasbench101 predictor=[gcn,mlp] n=172`.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: no table, unknown card or key, wrong value; names every full key.
    """
    return load_table_config(kind, arguments)
