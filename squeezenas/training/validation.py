"""The figures of a network on a split: every sample once, no augmentation; and what it predicts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from squeezenas.data.decode import Pixels, read_sample
from squeezenas.data.frames import Sample
from squeezenas.data.loaders import evaluation_batches
from squeezenas.engine import precision
from squeezenas.nn.fold import folded
from squeezenas.training.stage import StageParts

BATCH_PIXELS = 1 << 21  # one Cityscapes frame


@torch.inference_mode()
def validate(network: nn.Module, parts: StageParts, samples: Sequence[Sample]) -> dict[str, float]:
    """Figures of the stage's task on samples of its data set, the same in every process.

    Args:
        network: what is scored; it is not changed.
        parts: the stage.
        samples: what it is scored on.

    Raises:
        OSError, ValueError: a file cannot be used; names it.
    """
    task, process = parts.task, parts.process
    scored = folded(network)
    metric = task.metric()
    transform = parts.evaluation_transform
    size = parts.stage.crop if transform else read_sample(samples[0], parts.data.card)[0].shape
    for batch in evaluation_batches(
        samples,
        parts.data.card,
        max(1, BATCH_PIXELS // (size[0] * size[1])),
        parts.config.workers,
        process.rank,
        process.world_size,
        transform,
    ):
        inputs = task.prepare(batch.images, batch.labels)
        with precision.autocast(parts.precision, process.device):
            logits = scored(inputs.images)
        task.count(metric, logits, inputs.labels)
    return task.figures(metric.joined())


@torch.inference_mode()
def predictions(
    network: nn.Module, parts: StageParts, samples: Sequence[Sample]
) -> tuple[Pixels, Pixels, Pixels]:
    """What a network makes of a few frames, for pictures.

    Returns:
        Images `(N, H, W, 3)`, labels and predictions `(N, H, W)`, all uint8. Frames of another size
        than the first are left out.
    """
    scored = folded(network)
    batch = next(iter(evaluation_batches(samples, parts.data.card, len(samples))))
    predicted = []
    for image in batch.images.split(1):
        inputs = parts.task.prepare(image, torch.zeros(1))
        with precision.autocast(parts.precision, parts.process.device):
            predicted.append(scored(inputs.images).argmax(1))
    return (
        batch.images.permute(0, 2, 3, 1).numpy(),
        batch.labels.numpy(),
        torch.cat(predicted).byte().cpu().numpy(),
    )
