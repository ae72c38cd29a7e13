"""A network in one line: `squeezenas.create_model("squeezenas_lat_small", pretrained=True)`."""

from __future__ import annotations

from torch import nn

from squeezenas.core.model_card import read_model_card
from squeezenas.core.recipes import find
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import load_into, load_weights


def create_model(name: str, pretrained: bool = False, num_classes: int | None = None) -> nn.Module:
    """The network of a model card, in evaluation mode.

    `forward` takes RGB images `(N, 3, H, W)`, sides multiples of 32, normalised with the mean and
    deviation of the card's data set (ImageNet's), to logits `(N, num_classes, H, W)`.

    Args:
        name: a card, `squeezenas_lat_small`, or a file, `runs/<name>/model.yaml`.
        pretrained: load the card's weights, which are fetched once when they are not beside it.
        num_classes: by default those of the card; with another number the head starts anew, and
            only the backbone is pretrained.

    Raises:
        FileNotFoundError: a card or weights given as a file do not exist.
        OSError: the weights cannot be fetched; says which file to put where.
        ValueError: no such card (names the nearest), or it has no weights.
    """
    file = find("models", name)
    card = read_model_card(file)
    network = build(card, num_classes)
    if pretrained:
        state = load_weights(card, file.parent)
        if num_classes not in (None, len(card.classes)):
            heads = {k: v for k, v in network.state_dict().items() if k.startswith("head.")}
            state = {k: v for k, v in state.items() if not k.startswith("head.")} | heads
        load_into(network, state)
    return network.eval()
