"""What is watched while a run goes on: steps that are not finite, architectures that collapse.

Each kind is raised once a run; a failure is told by the run itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from squeezenas.core.space import SearchSpace

SKIPPING = 0.7
"""A search collapses onto skips when more than this share of the choices prefer to skip."""

DECIDED = 0.1
"""Less mean entropy than this, relative to the uniform distribution, is a decision ..."""

EARLY = 0.5
"""... and one in this first share of the steps is premature."""


@dataclass(frozen=True)
class Alarm:
    """Something that a person should look at.

    Attributes:
        kind: what it is raised once for.
        title: at most 60 characters.
        text: what happened, at which step, and what to do.
    """

    kind: str
    title: str
    text: str


def of_metrics(metrics: Mapping[str, float], step: int) -> Iterator[Alarm]:
    """Raised by what a step logs: a loss or a gradient that is not finite."""
    losses = [value for key, value in metrics.items() if key.endswith("/loss")]
    bad = sum(value for key, value in metrics.items() if key.endswith("/bad_steps"))
    if bad or not all(math.isfinite(loss) for loss in losses):
        yield Alarm(
            "not_finite",
            "a loss or its gradients are not finite",
            f"at step {step} a loss or its gradients were not finite and the step was skipped; if "
            "there are many, lower the learning rate, try precision=bf16 or fp32, or check the "
            "data",
        )


def of_distribution(
    probabilities: Mapping[str, Sequence[float]], space: SearchSpace, progress: float
) -> Iterator[Alarm]:
    """Raised by what a search believes at the end of an epoch.

    Args:
        probabilities: of the options of every choice.
        space: whose choices they are.
        progress: share of the steps that are done.
    """
    skips = _share_of_skips(probabilities, space)
    if skips > SKIPPING:
        yield Alarm(
            "skips",
            "the search collapses onto skips",
            f"{skips:.0%} of the choices that can skip prefer to after {progress:.0%} of the "
            f"search (more than {SKIPPING:.0%}); if the target is not that low, learn weights "
            "longer first (regime.warmup_epochs) or lower the architecture's learning rate",
        )
    entropy = relative_entropy(probabilities)
    if entropy < DECIDED and progress <= EARLY:
        yield Alarm(
            "decided",
            "the architecture is decided early",
            f"the distribution has {entropy:.0%} of the entropy of an undecided one after "
            f"{progress:.0%} of the search; what comes later can hardly change the choice: lower "
            "the architecture's learning rate, or cool more slowly",
        )


def relative_entropy(probabilities: Mapping[str, Sequence[float]]) -> float:
    """Mean over the choices of entropy over that of the uniform distribution: 1 is undecided."""
    shares = [
        -sum(p * math.log(p) for p in row if p > 0) / math.log(len(row))
        for row in probabilities.values()
        if len(row) > 1
    ]
    return sum(shares) / len(shares) if shares else 1.0


def _share_of_skips(probabilities: Mapping[str, Sequence[float]], space: SearchSpace) -> float:
    """Of the choices that may skip, those where nothing else is as likely.

    Choices of two options are not asked: there a skip is a connection, which may well be wanted.
    """
    asked = skipping = 0
    for choice in space.choices:
        if space.skip in choice.options and len(choice.options) > 2:
            row = list(probabilities[choice.key])
            skip = row.pop(choice.options.index(space.skip))
            asked += 1
            skipping += skip > max(row)
    return skipping / asked if asked else 0.0
