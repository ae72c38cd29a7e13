"""Where a stage gets its weights from."""

from __future__ import annotations

from pathlib import Path

from squeezenas.core.model_card import read_model_card
from squeezenas.core.recipes import find
from squeezenas.training.transfer import StartingWeights
from squeezenas.zoo.weights import load_weights, read_weights

CARD = "model.yaml"
"""The model card that a finished stage leaves in its folder, its weights beside it."""


def starting_weights(init: str, previous: Path | None) -> StartingWeights | None:
    """The weights that `init` names, or None for fresh ones.

    Args:
        init: `previous`, `scratch`, a model card or a .safetensors file.
        previous: folder of the stage before, if there is one.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no such card, one without weights, or a damaged file.
    """
    if init == "scratch" or (init == "previous" and previous is None):
        return None
    if init.endswith(".safetensors"):
        state, classes = read_weights(Path(init))
        return StartingWeights(state, classes, init)
    file = previous / CARD if init == "previous" and previous else find("models", init)
    card = read_model_card(file)
    return StartingWeights(load_weights(card, file.parent), card.classes, str(file))
