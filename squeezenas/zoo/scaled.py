"""The card of a network made deeper, wider and for larger images.

The rounding is EfficientNet's (arXiv:1905.11946): units of a stage are rounded up, channels to
multiples of 8. Units in a found network differ, so those of a stage are repeated in turn. Sides of
the image are rounded to multiples of 32, which networks and crops need.
"""

from __future__ import annotations

import torch

from squeezenas.core.config import Size
from squeezenas.core.model_card import Costs, ModelCard
from squeezenas.core.space import make_space
from squeezenas.costs.compound_scaling import Factors
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.spaces.unit_chain import UnitChain
from squeezenas.zoo.build import build

SIDE = 32  # pixels


def scaled_card(card: ModelCard, factors: Factors, size: Size, name: str) -> ModelCard:
    """The network of a card with more units, channels and pixels, priced and without weights.

    Args:
        card: the network to begin with; factors of 1 give the very same.
        factors: at least 1.
        size: height and width of the image that the card's network reads.
        name: of the new card.

    Raises:
        ValueError: the card's network is not a chain of units, or the card is wrong.
    """
    if card.space is None:
        raise ValueError(f"{card.name} is of another library; name a network of a space of units")
    space = make_space(card.space, card.scale)
    if not isinstance(space, UnitChain):
        raise ValueError(
            f"{card.name} is of space {card.space}, whose networks are no chains of units; scale "
            "one of squeezenas_small, fbnet or another space of units"
        )
    scale = dict(card.scale)
    for key, factor in (("depth", factors.depth), ("width", factors.width)):
        if factor != 1:
            scale[key] = round(getattr(space.scale, key) * factor, 9)
    larger = make_space(card.space, scale)
    assert isinstance(larger, UnitChain)
    architecture = larger.write(larger.deepened(space, space.read(card.architecture)))
    sides = "depth x{:.4g}, width x{:.4g}, resolution x{:.4g}".format(*factors)
    height, width = (_side(side, factors.resolution) for side in size)
    new = ModelCard(
        name=name,
        description=f"{card.name} by compound scaling (arXiv:1905.11946): {sides}.",
        space=card.space,
        scale=scale,
        head=card.head,
        task=card.task,
        classes=card.classes,
        dataset=card.dataset,
        architecture=tuple(architecture),
        search={"scaled_from": card.name, **factors._asdict()},
    )
    with torch.device("meta"):
        network = build(new)
    costs = Costs(
        resolution=(height, width),
        gmacs=gmacs(network, (height, width)),
        parameters_millions=parameters(network),
    )
    return new.model_copy(update={"costs": costs})


def _side(side: int, factor: float) -> int:
    return side if factor == 1 else max(SIDE, SIDE * round(side * factor / SIDE))
