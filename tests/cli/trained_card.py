"""A toy network's card with weights beside it."""

from __future__ import annotations

from pathlib import Path

from squeezenas.core.model_card import ModelCard, Weights, write_model_card
from squeezenas.core.recipes import load_dataset
from squeezenas.zoo.weights import save_weights
from tests.search import toy
from tests.zoo.random_network import OPTIONS, random_network


def trained_card(folder: Path) -> Path:
    """The file of the card of `random_network("lr_aspp")`; Cityscapes' classes."""
    card = ModelCard(
        name="toy",
        space=toy.ToySpace.name,
        head="lr_aspp",
        classes=load_dataset(["datasets=street_scenes"]).classes,
        dataset="street_scenes",
        architecture=OPTIONS,
    )
    digest = save_weights(folder / "toy.safetensors", random_network("lr_aspp"), card)
    weights = Weights(file=Path("toy.safetensors"), sha256=digest)
    write_model_card(folder / "toy.yaml", card.model_copy(update={"weights": weights}))
    return folder / "toy.yaml"
