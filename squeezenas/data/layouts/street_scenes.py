"""Our own generated streets: drawn once into the Cityscapes layout, then read like it."""

from __future__ import annotations

from collections.abc import Iterable

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.frames import Sample, layouts
from squeezenas.data.layouts.cityscapes import cityscapes
from squeezenas.data.street_scenes.write import street_scenes_folder


@layouts.register("street_scenes")
def street_scenes(card: DatasetCard, split: str, name: str) -> Iterable[Sample]:
    """Frames of the generated split; draws all splits first if they are not there yet."""
    assert card.generate is not None
    folder = street_scenes_folder(card.root, card.generate)
    return cityscapes(card.model_copy(update={"root": folder}), split, name)
