"""A trial as Optuna keeps it: options as parameters, everything else as attributes.

| attribute | holds | written |
|---|---|---|
| `proposal` | picks of the architecture; notes that the strategy keeps with it; asked: the number that the strategy was asked for | when it is proposed |
| `worker` | who evaluates it | when it is proposed |
| `tries` | again: the trial that this one tries again; failures: how often its architecture failed; deaths: how many workers died with it | when it is proposed |
| `heartbeat` | a count that goes up | while it is evaluated |
| `result` | figures, seconds, order | before it completes |
| `failure` | reason, whether for good, order | before it fails |
| `given_back` | true: its worker was asked to stop | before it fails |

`order` is how many finished trials the worker knew of, its own included: a clock that needs none of
the machines'. A trial that failed without `failure` is one whose worker died or gave it back.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.space import SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial

    from squeezenas.ask_tell.slots import State


@dataclass(frozen=True)
class Record:
    """A finished trial.

    Args:
        number: of the trial; numbers have gaps.
        asked: the number that the strategy was asked for.
        architecture: what was evaluated.
        state: complete, or failed for good.
        values: one an objective; None where it failed.
        figures: whatever else was measured.
        seconds: what the evaluation took, or takes by the table.
        notes: what the strategy wrote beside its proposal.
        error: why it failed.
        worker: who evaluated it.
        started: when its evaluation began, by the clock of its machine.
        finished: when it ended.
    """

    number: int
    asked: int
    architecture: Architecture
    state: Literal["complete", "failed"]
    values: tuple[float, ...] | None
    figures: Mapping[str, float]
    seconds: float
    notes: Mapping[str, Any]
    error: str
    worker: str
    started: datetime | None
    finished: datetime | None

    @property
    def value(self) -> float | None:
        """The first of the values."""
        return self.values[0] if self.values else None

    @property
    def cost(self) -> float | None:
        """The figure of that name, where there is one."""
        return self.figures.get("cost")


@dataclass(frozen=True)
class Claim:
    """A trial that this worker is to evaluate.

    Args:
        number: of the trial.
        asked: the number that the strategy was asked for; a second try has that of the first.
        architecture: what to evaluate.
        notes: what the strategy wrote beside it.
        trial_id: the storage's name of the trial.
        failures: how often the architecture failed before.
    """

    number: int
    asked: int
    architecture: Architecture
    notes: Mapping[str, Any]
    trial_id: int
    failures: int


class Proposed(TypedDict):
    """What a strategy proposed, in JSON values."""

    asked: int
    picks: list[int]
    notes: dict[str, Any]


class Tries(TypedDict):
    """What happened to an architecture before a trial."""

    again: int | None
    failures: int
    deaths: int


def distributions(choices: tuple[Choice, ...]) -> dict[str, CategoricalDistribution]:
    """The choices of a space as Optuna's parameters."""
    from optuna.distributions import CategoricalDistribution

    return {choice.key: CategoricalDistribution(choice.options) for choice in choices}


def running_trial(
    space: SearchSpace,
    parameters: dict[str, CategoricalDistribution],
    proposed: Proposed,
    worker: str,
    tries: Tries,
) -> FrozenTrial:
    """A trial that has begun; the storage numbers it.

    Args:
        space: of the architecture.
        parameters: the `distributions` of its choices.
        proposed: what is evaluated.
        worker: who evaluates it.
        tries: what happened to it before.
    """
    from optuna.trial import FrozenTrial, TrialState

    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params={
            choice.key: choice.options[pick]
            for choice, pick in zip(space.choices, proposed["picks"], strict=True)
        },
        distributions=dict(parameters),
        user_attrs={"proposal": proposed, "worker": worker, "tries": tries},
        system_attrs={},
        intermediate_values={},
    )


def architecture(space: SearchSpace, trial: FrozenTrial) -> Architecture:
    """What a trial evaluates."""
    return space.architecture(trial.user_attrs["proposal"]["picks"])


def state(trial: FrozenTrial) -> State:
    """What a trial is to the budget."""
    match trial.state.name:
        case "COMPLETE":
            return "finished"
        case "FAIL":
            return "finished" if trial.user_attrs.get("failure", {}).get("final") else "open"
        case "PRUNED":
            return "withdrawn"
        case _:
            return "running"


def order(trial: FrozenTrial) -> tuple[int, int]:
    """By which finished trials are sorted: in the order of finishing."""
    return _outcome(trial)["order"], trial.number


def record(space: SearchSpace, trial: FrozenTrial) -> Record:
    """A finished trial, read."""
    complete = trial.state.name == "COMPLETE"
    outcome = _outcome(trial)
    return Record(
        number=trial.number,
        asked=trial.user_attrs["proposal"]["asked"],
        architecture=architecture(space, trial),
        state="complete" if complete else "failed",
        values=tuple(trial.values) if complete else None,
        figures={name: float(figure) for name, figure in outcome.get("figures", {}).items()},
        seconds=float(outcome.get("seconds", 0.0)),
        notes=dict(trial.user_attrs["proposal"]["notes"]),
        error=str(outcome.get("reason", "")),
        worker=trial.user_attrs["worker"],
        started=trial.datetime_start,
        finished=trial.datetime_complete,
    )


def _outcome(trial: FrozenTrial) -> Mapping[str, Any]:
    outcome: Mapping[str, Any] = trial.user_attrs[
        "result" if trial.state.name == "COMPLETE" else "failure"
    ]
    return outcome
