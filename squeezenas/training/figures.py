"""The figures of a segmentation: means, and a row for each class and category."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.tasks.confusion import ConfusionMatrix
from squeezenas.tasks.instances import InstanceScores, category_members

Row = dict[str, str | int | float]


@dataclass(frozen=True)
class Evaluation:
    """The figures of one segmentation of a split; each is in 0..1, NaN where it is not defined.

    Args:
        card: the data set.
        frames: number of frames.
        confusion: the pixels of all of them.
        instances: their instances; None if the card has no instance sizes or a file is missing.
        unscored: why there are no instance scores though the card asks for them; else empty.
    """

    card: DatasetCard
    frames: int
    confusion: ConfusionMatrix
    instances: InstanceScores | None = None
    unscored: str = ""

    def figures(self) -> dict[str, float]:
        """Means by name; what the card or the files do not allow is left out.

        `miou`, `category_miou`, `iiou` and `category_iiou` are those of cityscapesScripts;
        `present_miou` and `class_accuracy` are means over the classes that occur in the labels.
        """
        confusion = self.confusion
        found = {
            "miou": confusion.miou(),
            "present_miou": confusion.present_miou(),
            "pixel_accuracy": confusion.pixel_accuracy(),
            "class_accuracy": _mean(confusion.class_accuracy()),
        }
        if self.card.categories:
            found["category_miou"] = _mean(confusion.category_iou(self._categories))
        if self.instances is not None:
            found["iiou"] = _mean(self.instances.class_iiou(confusion))
            found["category_iiou"] = _mean(self.instances.category_iiou(confusion))
        return found

    def class_rows(self) -> list[Row]:
        """A row a class: `class`, `iou`, `accuracy`, `iiou` and labelled and predicted `pixels`."""
        confusion = self.confusion
        columns: dict[str, list[int] | list[float]] = {
            "iou": confusion.class_iou().tolist(),
            "accuracy": confusion.class_accuracy().tolist(),
            "iiou": self._class_iiou(),
            "labelled_pixels": confusion.counts.sum(1).tolist(),
            "predicted_pixels": confusion.counts[:, :-1].sum(0).tolist(),
        }
        return [
            {"class": name, **{key: column[index] for key, column in columns.items()}}
            for index, name in enumerate(self.card.classes)
        ]

    def category_rows(self) -> list[Row]:
        """A row a category: `category`, `iou`, `iiou`."""
        iiou: dict[str, float] = {}
        if self.instances is not None:
            scores = self.instances.category_iiou(self.confusion).tolist()
            iiou = dict(zip(self.instances.categories, scores, strict=True))
        scores = self.confusion.category_iou(self._categories).tolist()
        return [
            {"category": name, "iou": score, "iiou": iiou.get(name, math.nan)}
            for name, score in zip(self.card.categories, scores, strict=True)
        ]

    def remarks(self) -> list[str]:
        """What a reader must know of the figures, a sentence each."""
        present = self.confusion.present().tolist()
        absent = [c for c, there in zip(self.card.classes, present, strict=True) if not there]
        mean = self.confusion.present_miou()
        said = [
            f"in no label, excluded from the mean of present classes ({mean:.2%}), counted as 0 in "
            f"mean IoU where they are predicted: {', '.join(absent)}"
        ]
        return (said if absent else []) + ([self.unscored] if self.unscored else [])

    @property
    def _categories(self) -> list[list[int]]:
        return category_members(self.card, self.card.categories)

    def _class_iiou(self) -> list[float]:
        if self.instances is None:
            return [math.nan] * self.card.num_classes
        found: list[float] = self.instances.class_iiou(self.confusion).tolist()
        return found


def _mean(scores: Tensor) -> float:
    """Of the scores that are defined; NaN if none is."""
    return float(torch.nanmean(scores))
