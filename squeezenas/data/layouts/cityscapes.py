"""The official Cityscapes layout (Cordts et al., CVPR 2016, arXiv:1604.01685).

`leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png` beside
`gtFine|gtCoarse/<split>/<city>/<stem>_gtFine|gtCoarse_labelIds.png`.
"""

from __future__ import annotations

from collections.abc import Iterator

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.frames import Frame, layouts

IMAGE = "_leftImg8bit.png"


@layouts.register("cityscapes")
def cityscapes(card: DatasetCard, split: str, name: str) -> Iterator[Frame]:
    """Frames of `leftImg8bit/<name>`; only the train split may have coarse labels."""
    kind = "gtCoarse" if split == "train" and card.annotations == "coarse" else "gtFine"
    for image in (card.root / "leftImg8bit" / name).glob(f"*/*{IMAGE}"):
        stem = image.name.removesuffix(IMAGE)
        city = image.parent.name
        yield Frame(image, card.root / kind / name / city / f"{stem}_{kind}_labelIds.png", stem)
