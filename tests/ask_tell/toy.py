"""A space of 3,125 architectures, and a value for each."""

from __future__ import annotations

from squeezenas.ask_tell.study import Trials
from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal

OPTIONS = ("none", "skip", "conv1", "conv3", "pool")


class ToySpace(SearchSpace):
    name = "toy"
    heads = ()
    choices = tuple(Choice(f"edge{i}", OPTIONS) for i in range(5))

    def network(self, architecture, classes, head):
        raise AssertionError("nothing here is trained")

    def graph(self, architecture):
        return [], []


SPACE = ToySpace()
IDENTITY = {"space": "toy", "strategy": {"name": "random", "seed": 0}}


def numbered(number: int, pending: object = ()) -> Proposal:
    """Another architecture for each number."""
    picks = [number // 5**place % 5 for place in range(5)]
    return Proposal(SPACE.architecture(picks), {"asked": number})


def value(architecture: Architecture) -> float:
    return sum(pick / 5 ** (place + 1) for place, pick in enumerate(architecture.picks))


def trials(storage, **changes) -> Trials:
    """Ten trials of the toy space."""
    keys = {
        "name": "toy",
        "identity": IDENTITY,
        "space": SPACE,
        "directions": ["maximize"],
        "budget": 10,
        "retries": 1,
        "lease": 60.0,
    }
    return Trials(storage, **{**keys, **changes})


def evaluate(trials: Trials, claim) -> bool:
    score = value(claim.architecture)
    return trials.finish(claim, [score], {"cost": 1 - score}, 2.0)


def run(trials: Trials, propose=numbered) -> None:
    """Evaluates until the budget is spent."""
    while (claim := trials.claim(propose)) is not None:
        evaluate(trials, claim)
