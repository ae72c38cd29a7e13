"""The figures of a network on a split, between epochs: every sample once, no augmentation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from squeezenas.data.decode import read_sample
from squeezenas.data.frames import Sample
from squeezenas.data.loaders import evaluation_batches
from squeezenas.training.stage import StageParts
from squeezenas.zoo.scoring import BATCH_PIXELS, score


def validate(network: nn.Module, parts: StageParts, samples: Sequence[Sample]) -> dict[str, float]:
    """Figures of the stage's task on samples of its data set, the same in every process.

    Args:
        network: what is scored; it is not changed.
        parts: the stage.
        samples: what it is scored on.

    Raises:
        OSError, ValueError: a file cannot be used; names it.
    """
    card, process, transform = parts.data.card, parts.process, parts.evaluation_transform
    size = parts.stage.crop if transform else read_sample(samples[0], card)[0].shape
    batches = evaluation_batches(
        samples,
        card,
        max(1, BATCH_PIXELS // (size[0] * size[1])),
        parts.config.workers,
        process.rank,
        process.world_size,
        transform,
    )
    return parts.task.figures(score(network, batches, parts.task, parts.precision))
