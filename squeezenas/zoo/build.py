"""The network of a model card.

Whatever it is, its head is all that is named `head.*`; the other names and shapes do not change
with the head and the classes.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from squeezenas.core.config import task_of
from squeezenas.core.model_card import ModelCard
from squeezenas.core.registry import Registry
from squeezenas.core.space import make_space
from squeezenas.nn.batch_norm import joined_batch_norms

NamedNetwork = Callable[[str, int, bool], nn.Module]
"""Backbone, classes, and whether it shall classify; raises ValueError for an unknown backbone."""

networks: Registry[NamedNetwork] = Registry("network", "squeezenas.zoo.networks")


def build(card: ModelCard, classes: int | None = None) -> nn.Module:
    """A network with random weights; nothing is downloaded.

    `forward` takes normalised images `(N, 3, H, W)`, sides multiples of 32, to logits
    `(N, classes, H, W)`, or to `(N, classes)` where the card's task is classification.

    Args:
        card: the network.
        classes: number of classes; by default those of the card.

    Raises:
        ValueError: the space, an option, the network or its backbone is unknown, there are too few
            or many options, or it cannot do the card's task; names the card.
    """
    classes = card.outputs if classes is None else classes
    classifies = card.task == "classification"
    try:
        if card.network is not None:
            assert card.backbone is not None
            named = networks[card.network](card.backbone, classes, classifies)
            return joined_batch_norms(named)
        assert card.space is not None
        assert card.head is not None
        space = make_space(card.space, card.scale)
        head = "classifier" if classifies else card.head
        for name in (card.head, head):
            if name not in space.heads:
                raise ValueError(f"head {name}: networks of {space.name} end in {space.heads[0]}")
        if card.task != task_of(head):
            raise ValueError(f"head {head} is for {task_of(head)}, not for {card.task}")
        return space.network(space.read(card.architecture), classes, head)
    except ValueError as error:
        raise ValueError(f"model card {card.name}: {error}") from error
