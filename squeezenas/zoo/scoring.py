"""A network on batches of samples: what a metric counts, and what it predicts for pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.decode import Pixels, read_image
from squeezenas.data.frames import Frame
from squeezenas.data.loaders import Batch, evaluation_batches
from squeezenas.engine import precision
from squeezenas.nn.fold import folded
from squeezenas.tasks.task import Task


@torch.inference_mode()
def score(network: nn.Module, batches: Iterable[Batch], task: Task, arithmetic: str) -> Any:
    """The task's metric over all batches of all processes.

    Args:
        network: what is scored; it is not changed.
        batches: this process's share.
        task: counts.
        arithmetic: fp32, bf16 or fp16.
    """
    scored, metric, state = folded(network), task.metric(), None
    for batch in batches:
        inputs = task.prepare(batch.images, batch.labels)
        with precision.autocast(arithmetic, task.process.device):
            output = task.run(scored, inputs, state=None if batch.begins else state)
        state = task.carried(output)
        task.count(metric, output, inputs.labels)
    return metric.joined()


@torch.inference_mode()
def predictions(
    network: nn.Module, frames: Sequence[Frame], card: DatasetCard, task: Task, arithmetic: str
) -> tuple[Pixels, Pixels, Pixels]:
    """What a network makes of a few frames.

    Returns:
        Images `(N, H, W, 3)`, labels and predictions `(N, H, W)`, all uint8. Frames of another size
        than the first are left out.
    """
    scored = folded(network)
    batch = next(iter(evaluation_batches(frames, card, len(frames))))
    predicted = []
    for image in batch.images.split(1):
        inputs = task.prepare(image, torch.zeros(1))
        with precision.autocast(arithmetic, task.process.device):
            predicted.append(scored(inputs.images).argmax(1))
    height, width = read_image(frames[0].image).shape[:2]  # without what was padded
    shown = (
        batch.images.permute(0, 2, 3, 1).numpy(),
        batch.labels.numpy(),
        torch.cat(predicted).byte().cpu().numpy(),
    )
    images, labels, found = (pixels[:, :height, :width] for pixels in shown)
    return images, labels, found
