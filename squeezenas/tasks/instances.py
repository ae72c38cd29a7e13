"""Instance-level IoU (iIoU) of a segmentation, as cityscapesScripts computes it.

IoU counts pixels, so a class is judged by its largest instances. Here each pixel of an instance
weighs (mean pixels of an instance of its class) / (pixels of this instance), for hits and misses;
false positives belong to no instance and weigh 1 (Cordts et al., CVPR 2016, arXiv:1604.01685,
section 4.1). Regions of instances that cannot be told apart give neither hits nor misses.

One difference: cityscapesScripts knows which category an ignored label such as caravan is of, and
counts predictions of it for that category; here a prediction that is no class is a miss.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import total
from squeezenas.tasks.confusion import ConfusionMatrix

FIRST_INSTANCE = 1000
"""Instance `n` of label id `i` has id `1000 * i + n`; smaller ids are label ids of regions."""


class InstanceScores:
    """Weighted hits and misses of the instances of each class and category.

    A category is scored when every class of it has an instance size on the card.

    Args:
        card: names the classes, the categories and the mean sizes.
        device: where the sums live.

    Attributes:
        categories: names of the scored categories.
        class_sums: weighted hits and misses of each class, float64 `(classes, 2)`.
        category_sums: the same of each scored category, `(categories, 2)`.
    """

    def __init__(self, card: DatasetCard, device: torch.device) -> None:
        sizes = card.instance_sizes
        self.categories = tuple(c for c, names in card.categories.items() if {*names} <= {*sizes})
        self._members = category_members(card, self.categories)
        self._mean_sizes = np.array([sizes.get(name, np.nan) for name in card.classes])
        self._class_of = np.full(1 + 0xFFFF // FIRST_INSTANCE, card.ignore_index, np.uint8)
        label_ids = card.label_ids or {index: index for index in range(card.num_classes)}
        for label_id, train_id in label_ids.items():
            if card.classes[train_id] in sizes and label_id < len(self._class_of):
                self._class_of[label_id] = train_id
        self._ignore_index = card.ignore_index
        rows = card.num_classes, len(self.categories)
        self.class_sums, self.category_sums = (
            torch.zeros(count, 2, dtype=torch.float64, device=device) for count in rows
        )

    def update(self, instance_ids: NDArray[np.uint16], predictions: NDArray[np.uint8]) -> None:
        """Adds a frame.

        Args:
            instance_ids: `(H, W)`, as in `*_instanceIds.png`.
            predictions: train ids `(H, W)`.
        """
        inside = instance_ids >= FIRST_INSTANCE
        ids, predicted = instance_ids[inside], predictions[inside]
        labels = self._class_of[ids // FIRST_INSTANCE]
        pixels = np.bincount(ids, minlength=1 << 16)
        instances = np.flatnonzero(pixels)
        classes = self._class_of[instances // FIRST_INSTANCE]
        scored = classes != self._ignore_index
        instances, classes = instances[scored], classes[scored]
        weights = self._mean_sizes[classes] / pixels[instances]

        def sums(hit: NDArray[np.bool_]) -> NDArray[np.float64]:
            """Weighted hits and misses of every instance `(instances, 2)`."""
            hits = np.bincount(ids[hit], minlength=1 << 16)[instances]
            return np.stack([hits * weights, (pixels[instances] - hits) * weights], axis=1)

        found = torch.from_numpy(sums(labels == predicted)).to(self.class_sums.device)
        self.class_sums.index_add_(0, torch.from_numpy(classes).to(found.device).int(), found)
        for row, members in zip(self.category_sums, self._members, strict=True):
            inside_group = np.zeros(256, np.bool_)
            inside_group[members] = True
            found = sums(inside_group[labels] & inside_group[predicted])[inside_group[classes]]
            row += torch.from_numpy(found.sum(0)).to(row.device)

    def joined(self) -> InstanceScores:
        """The sums of all processes, as new scores."""
        whole = copy.copy(self)
        whole.class_sums = total(self.class_sums.clone())
        whole.category_sums = total(self.category_sums.clone())
        return whole

    def class_iiou(self, confusion: ConfusionMatrix) -> Tensor:
        """Instance IoU of each class `(classes,)`, float64.

        NaN for classes whose instances are not scored, and where there is neither an instance nor
        a false positive.

        Args:
            confusion: the matrix of the same frames.
        """
        every_class = [[index] for index in range(confusion.classes)]
        iiou = _iiou(self.class_sums, confusion.false_positives(every_class))
        scored = torch.from_numpy(~np.isnan(self._mean_sizes)).to(iiou.device)
        return torch.where(scored, iiou, torch.nan)

    def category_iiou(self, confusion: ConfusionMatrix) -> Tensor:
        """Instance IoU of each scored category `(categories,)`, float64; else as `class_iiou`."""
        return _iiou(self.category_sums, confusion.false_positives(self._members))


def category_members(card: DatasetCard, categories: Iterable[str]) -> list[list[int]]:
    """Train ids of the classes of each category."""
    index = {name: train_id for train_id, name in enumerate(card.classes)}
    return [[index[name] for name in card.categories[category]] for category in categories]


def _iiou(sums: Tensor, false_positives: Tensor) -> Tensor:
    hits, misses = sums.unbind(1)
    return hits / (hits + misses + false_positives)
