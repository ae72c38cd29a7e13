"""The network of a model card.

Whatever it is, its head is all that is named `head.*`; the other names and shapes do not change
with the head and the classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import torch
from torch import nn

from squeezenas.core.config import Strict, task_of
from squeezenas.core.model_card import ModelCard
from squeezenas.core.registry import Registry
from squeezenas.core.space import make_space
from squeezenas.nn.batch_norm import joined_batch_norms

NamedNetwork = Callable[[str, int, bool], nn.Module]
"""Backbone, classes, and whether it shall classify; raises ValueError for an unknown backbone."""

MOST = 1 << 31
"""Numbers that a network learns, 8 GiB; the largest of another library has 1.3 billion."""
GROWN = 6.0
"""Times its space's own sizes, up to which a network is built without being counted: it grows by
their square at most, and with those sizes none has more than 50 million numbers."""
NAMED = 1000
"""Product of the numbers in the name of a backbone, up to which it is not counted either: there is
`lstm<layers>_<hidden>`, and other libraries have theirs in lists."""

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
            or many options, it cannot do the card's task, or it is too large; names the card.
    """
    classes = card.outputs if classes is None else classes
    classifies = card.task == "classification"
    try:
        if card.network is not None:
            assert card.backbone is not None
            make, backbone = networks[card.network], card.backbone
            if card.words or math.prod(map(int, re.findall(r"\d+", backbone))) > NAMED:
                _require_size(lambda: make(backbone, classes, classifies))
            return joined_batch_norms(make(backbone, classes, classifies))
        assert card.space is not None
        assert card.head is not None
        space = make_space(card.space, card.scale)
        head = "classifier" if classifies else card.head
        for name in (card.head, head):
            if name not in space.heads:
                raise ValueError(f"head {name}: networks of {space.name} end in {space.heads[0]}")
        if card.task != task_of(head):
            raise ValueError(f"head {head} is for {task_of(head)}, not for {card.task}")
        architecture = space.read(card.architecture)
        if card.words or _growth(space.scale) > GROWN:
            _require_size(lambda: space.network(architecture, classes, head))
        return space.network(architecture, classes, head)
    except ValueError as error:
        raise ValueError(f"model card {card.name}: {error}") from error


def _growth(scale: Strict) -> float:
    """How many times as large as by default the sizes are, all multiplied."""
    own = type(scale)()
    pairs = [(value, getattr(own, key)) for key, value in scale if type(value) in (int, float)]
    return math.prod(max(1.0, value / usual) for value, usual in pairs)


def _require_size(make: Callable[[], nn.Module]) -> None:
    """Builds it without its numbers, which takes no memory and draws nothing, and counts them.

    Raises:
        ValueError: there are too many.
    """
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in make().parameters())
    if count > MOST:
        raise ValueError(
            f"it would have {count:,} parameters, more than {MOST:,}; give smaller sizes in scale, "
            "backbone or words"
        )
