"""Any data set by YAML alone: `images/<split>/**/<stem>.*` and `masks/<split>/**/<stem>.png`."""

from __future__ import annotations

from collections.abc import Iterator

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.frames import Frame, layouts

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@layouts.register("folders")
def folders(card: DatasetCard, split: str, name: str) -> Iterator[Frame]:
    """Every image below `images/<name>`; its mask has the same place below `masks/<name>`."""
    images = card.root / "images" / name
    for image in images.rglob("*"):
        if image.suffix.lower() in SUFFIXES:
            inside = image.relative_to(images).with_suffix("")
            mask = card.root / "masks" / name / inside.parent / f"{inside.name}.png"
            yield Frame(image, mask, inside.as_posix())
