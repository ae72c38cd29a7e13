"""COCO (Lin et al., arXiv:1405.0312) as semantic segmentation.

Images are in `<name>/`. The masks, by `annotations` of the card:

- instances: drawn from `annotations/instances_<name>.json`;
- panoptic (Kirillov et al., arXiv:1801.00868): drawn from `annotations/panoptic_<name>.json` and
  the pictures in `annotations/panoptic_<name>/`;
- stuff (COCO-Stuff, Caesar et al., arXiv:1612.03716): read from `stuffthingmaps/<name>/`.
"""

from __future__ import annotations

from collections.abc import Iterator

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.coco_masks import images_in, semantic_masks
from squeezenas.data.frames import Frame, layouts


@layouts.register("coco")
def coco(card: DatasetCard, split: str, name: str) -> Iterator[Frame]:
    """Every image that the json lists; for stuff, every image of the folder."""
    if card.annotations == "stuff":
        masks, drawn = card.root / "stuffthingmaps" / name, None
    else:
        masks = semantic_masks(card, name)
        drawn = {path.stem for path in masks.glob("*.png")}
    for stem, image in images_in(card.root / name).items():
        if drawn is None or stem in drawn:
            yield Frame(image, masks / f"{stem}.png", stem)
