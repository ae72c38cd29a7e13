"""The figures of a network on a split, between epochs: every sample once, no augmentation."""

from __future__ import annotations

from torch import nn

from squeezenas.data.feed import SCORED_COLUMNS, Part, scoring_batches
from squeezenas.training.stage import StageParts
from squeezenas.zoo.scoring import score


def validate(
    network: nn.Module, parts: StageParts, part: Part, final: bool = False
) -> dict[str, float]:
    """Figures of the stage's task on a part of its data set, the same in every process.

    Args:
        network: what is scored; it is not changed.
        parts: the stage.
        part: what it is scored on.
        final: in float32, and of a text all words in one column, which is exact and slower.

    Raises:
        OSError, ValueError: a file cannot be used; names it.
    """
    batches = scoring_batches(
        part, parts.data.card, parts.stage, parts.process, parts.config.workers,
        1 if final else SCORED_COLUMNS,
    )  # fmt: skip
    arithmetic = "fp32" if final else parts.precision
    return parts.task.figures(score(network, batches, parts.task, arithmetic))
