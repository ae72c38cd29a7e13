"""The task of a data set."""

from __future__ import annotations

from squeezenas.core.config import Loss
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import Process
from squeezenas.tasks.classification import Classification
from squeezenas.tasks.language import Language
from squeezenas.tasks.segmentation import Segmentation
from squeezenas.tasks.task import Task


def make_task(card: DatasetCard, process: Process, loss: Loss, bptt: int) -> Task:
    """Loss and metric for a data set.

    Args:
        card: the data set, complete.
        process: which device, and which share of a joined batch.
        loss: what is minimised.
        bptt: mean words of a step (language).

    Raises:
        ValueError: the loss does not fit the data set.
    """
    if card.task == "language":
        return Language(card, process, loss, bptt)
    kind = Classification if card.task == "classification" else Segmentation
    return kind(card, process, loss)
