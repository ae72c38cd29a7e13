"""The model card of a network that a search found."""

from __future__ import annotations

from typing import Any

from squeezenas.core.architecture import Architecture
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard
from squeezenas.core.space import SearchSpace


def network_card(
    name: str,
    space: SearchSpace,
    scale: dict[str, Any],
    head: str,
    card: DatasetCard,
    architecture: Architecture,
) -> ModelCard:
    """A card that `train.py` takes; without costs and provenance.

    Args:
        name: of the network.
        space: that it is from.
        scale: the sizes of the space that were asked for.
        head: what it ends in.
        card: the data set it was found on, its classes known.
        architecture: the network.
    """
    speaks = card.task == "language"
    return ModelCard.model_validate(
        {
            "name": name,
            "space": space.name,
            "scale": scale,
            "head": head,
            "task": card.task,
            "classes": () if speaks else card.classes,
            "words": card.num_classes if speaks else None,
            "dataset": card.name,
            "architecture": tuple(space.write(architecture)),
        }
    )
