"""Classification as ImageNet arranges it (Russakovsky et al., arXiv:1409.0575).

`<split>/<class>/<image>`: the folder is the label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.frames import LabelledImage, class_names, folder_names, layouts

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")


@layouts.register("image_folders")
def image_folders(card: DatasetCard, split: str, name: str) -> Iterator[LabelledImage]:
    """Every image of every class folder; the card's classes and the folders must be the same."""
    folder = card.root / name
    position = {label: index for index, label in enumerate(card.classes)}
    present = _class_folders(folder)
    if strange := [path.name for path in present if path.name not in position]:
        raise ValueError(
            f"{folder} has {len(strange)} class folder(s) that are not among the "
            f"{card.num_classes} classes of {card.name} (datasets.classes, or the folders of the "
            f"train split): {strange[0]} is the first; remove it or add the class"
        )
    if not present and (loose := _images(folder)):
        raise ValueError(
            f"{folder} has {len(loose)} images in no class folder; sort them: {card.how_to_get}"
        )
    for path in present:
        images = _images(path)
        if not images:
            raise ValueError(f"{path} has no image in it; unpack that class again or remove it")
        for image in images:
            yield LabelledImage(image, position[path.name], f"{path.name}/{image.stem}")


@class_names.register("image_folders")
def names(card: DatasetCard) -> tuple[str, ...]:
    """The class folders of the train split, sorted."""
    folders = [card.root / name for name in folder_names(card, "train")]
    classes = sorted({path.name for folder in folders for path in _class_folders(folder)})
    if len(classes) < 2:
        raise ValueError(
            f"{card.name} has {len(classes)} class folder(s) in {folders[0]}, and training needs "
            f"at least two: {card.how_to_get}"
        )
    return tuple(classes)


def _class_folders(folder: Path) -> list[Path]:
    """The folders in it, sorted; hidden ones belong to other programs."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_dir())


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
