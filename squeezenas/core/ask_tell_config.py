"""The schema of an ask/tell search: what proposes, what scores, how many, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from squeezenas.core.config import Head, Positive, Strict
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.run_config import RunConfig
from squeezenas.core.table_card import TableCard


class Objective(Strict):
    """What is maximised, and what a network may cost."""

    kind: Literal["limit", "penalty", "pareto"] = "limit"
    """limit: the figure, and dearer networks than the target are never evaluated; penalty:
    MnasNet's figure * (cost / target)^w; pareto: the front of figure and cost."""
    figure: str = ""
    """What a table's architectures are ranked by; empty: its first. Networks are ranked by the
    figure of their task."""
    cost: str = ""
    """A cost of the table, or macs or parameters of trained networks; with inherited weights it is
    what their search priced. Empty: that of the evaluator, none for tables."""
    target: float | None = Field(None, gt=0)
    """What a network may cost; omitted: anything, or what the search of the supernet allowed."""
    exponent: float = Field(-0.07, le=0)
    """w above the target (arXiv:1807.11626, eq. 3)."""
    exponent_below: float = Field(-0.07, le=0)
    """w below it; 0 rewards nothing that is cheaper than asked."""

    @model_validator(mode="after")
    def _target(self) -> Objective:
        if self.kind == "penalty" and self.target is None:
            raise ValueError("kind=penalty needs a target")
        return self


class Evaluation(Strict):
    """What scores networks; architectures of a table are looked up."""

    name: Literal["inherit", "train"] = "inherit"
    """inherit: with the weights of a supernet; train: trained from scratch by a regime."""
    supernet: Path | None = None
    """Run folder of a finished one-shot search, for inherit; omitted: the newest on the data
    set."""
    regime: str = ""
    """Card of a retraining regime of one stage, for train."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Keys of that stage that are set anew, such as `{epochs: 5}`."""
    held_out: float = Field(0.1, gt=0, lt=1)
    """Share of the training split that scores, for train; the rest trains, and val reports."""
    timeout: float = Field(0, ge=0)
    """Seconds after which an evaluation counts as failed; 0: never."""

    @model_validator(mode="after")
    def _keys(self) -> Evaluation:
        if self.name == "train" and not self.regime:
            raise ValueError("name=train needs a regime, such as regime=retrain_street_scenes")
        if self.name == "train" and self.supernet:
            raise ValueError("supernet is for name=inherit; leave it out")
        if self.name == "inherit" and (self.regime or self.settings):
            raise ValueError("regime and settings are for name=train; leave them out")
        return self


class AskTellRegime(Strict):
    """One experiment: how a space is searched without gradients of it."""

    description: str = ""
    """One line, shown by --help."""
    dataset: str = "street_scenes"
    """Data set or benchmark table, used unless another is picked with datasets=."""
    space: str = ""
    """A registered search space; empty: that of the table or of the supernet."""
    scale: dict[str, Any] = Field(default_factory=dict)
    """Sizes of its networks that are not searched; the space names them."""
    head: Head = "lr_aspp"
    """What trained networks end in."""
    strategy: dict[str, Any]
    """`name` of a registered ask/tell strategy, and its own keys."""
    trials: Positive
    """Architectures that are evaluated in all, by all processes together."""
    evaluator: Evaluation = Evaluation()
    """What scores."""
    objective: Objective = Objective()
    """What is maximised."""
    retries: int = Field(1, ge=0)
    """How often an evaluation that failed is tried again."""

    @field_validator("strategy")
    @classmethod
    def _named(cls, strategy: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(strategy.get("name"), str):
            raise ValueError("needs a name, such as {name: aging_evolution}")
        return strategy


class _Shared(RunConfig):
    """What ask/tell searches of data sets and of tables have in common."""

    regime: AskTellRegime
    """The regime, `training_regimes=<card>`."""
    storage: str = "journal"
    """Where trials are kept: journal (a file in the run folder), journal:FILE, memory, sqlite:///FILE
    or postgresql://USER@HOST/DATABASE. One storage may hold many studies."""
    study: str = ""
    """Name of the study that processes share; empty: the name of the run."""
    processes: Positive = 1
    """Processes that this command evaluates with; `--workers N` is short for it."""
    lease: float = Field(120.0, gt=0)
    """Seconds of silence after which a process on another machine counts as dead."""

    @model_validator(mode="after")
    def _memory(self) -> _Shared:
        if self.storage == "memory" and self.processes > 1:
            raise ValueError("storage=memory is of one process; leave it out, or processes=1")
        return self


class AskTellConfig(_Shared):
    """The resolved configuration of an ask/tell search of networks."""

    datasets: DatasetCard
    """The dataset card, `datasets=<card>`."""


class TableSearchConfig(_Shared):
    """The resolved configuration of an ask/tell search in a benchmark table."""

    datasets: TableCard
    """The table's card, `datasets=<card>`."""
