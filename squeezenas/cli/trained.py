"""The network of a command that needs one with its weights."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from squeezenas.core.model_card import ModelCard
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import load_into, load_weights, read_weights


def trained_network(card: ModelCard, folder: Path, weights: Path | None = None) -> nn.Module:
    """The network of a card on the CPU, in evaluation mode.

    Args:
        card: names its weights.
        folder: where the card is.
        weights: a .safetensors file to use in their place.

    Raises:
        FileNotFoundError: the weights are missing.
        OSError: they cannot be fetched.
        ValueError: there are none, or they are damaged or of another network; names the file.
    """
    network, source = build(card), card.weights
    if weights is not None:
        state, _ = read_weights(weights)
    elif source is None or (source.file is None and source.url is None):
        raise ValueError(
            f"models: {card.name} has no trained weights beside its card; "
            "give a file with weights=FILE.safetensors, or train it first"
        )
    else:
        state = load_weights(card, folder)
    try:
        load_into(network, state)
    except ValueError as error:
        named = source.file if source else None
        where = weights or (folder / named if named else f"models={card.name}")
        raise ValueError(f"{where}: {error}") from error
    return network.eval()
