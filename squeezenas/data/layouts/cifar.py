"""CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features", 2009).

`<batch>` files in the Python version of the release, beside `batches.meta` or `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.cifar import image_path, read_batch, read_classes
from squeezenas.data.frames import LabelledImage, class_names, layouts


@layouts.register("cifar")
def cifar(card: DatasetCard, split: str, name: str) -> Iterator[LabelledImage]:
    """Every image of the batch `<name>`."""
    batch = card.root / name
    if not batch.is_file():
        raise FileNotFoundError(f"{batch} is missing: {card.how_to_get}")
    for row, label in enumerate(read_batch(batch).labels):
        if label >= card.num_classes:
            raise ValueError(
                f"{batch}: image {row} has the label {label}, which is not in "
                f"0..{card.num_classes - 1}; get the file again or correct datasets.classes"
            )
        yield LabelledImage(image_path(batch, row), label, f"{name}/{row:05d}")


@class_names.register("cifar")
def names(card: DatasetCard) -> tuple[str, ...]:
    """Those of `batches.meta` or `meta`."""
    return read_classes(card.root)
