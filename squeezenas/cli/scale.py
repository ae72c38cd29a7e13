"""`squeezenas scale`: a family of larger networks from one found network (arXiv:1905.11946).

The formula and the cost model say which coefficients double the cost; which of those give the most
accurate networks they cannot say. So `grid=` writes a card for each, to be trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from squeezenas.core.config import Size
from squeezenas.core.model_card import Costs, ModelCard, write_model_card
from squeezenas.core.scale_config import ScaleConfig
from squeezenas.costs.compound_scaling import TOLERANCE, Factors, doubles, grid, largest_phi
from squeezenas.zoo.scaled import scaled_card


def main(config: ScaleConfig) -> int:
    """Prints the family as a table and writes its cards; the exit code is 0.

    Raises:
        ValueError, OSError: something that the user can put right.
    """
    card, size = config.models, _size(config)
    if config.output is not None:  # before the work rather than after it
        config.output.mkdir(parents=True, exist_ok=True)
    base = scaled_card(card, Factors(1, 1, 1), size, card.name)
    coefficients = Factors(config.depth, config.width, config.resolution)
    wide = len(card.name) + (18 if config.grid else 9)
    print(header(wide), line(base, base, wide), sep="\n", flush=True)
    if config.grid is not None:
        family = _grid(config.grid, base, size)
    else:
        family = _family(config, coefficients, size)
    count = 0
    for member in family:
        count += 1
        print(line(member, base, wide), flush=True)
        if config.output is not None:
            write_model_card(config.output / f"{member.name}.yaml", member)
    for remark in _remarks(config, coefficients, count):
        print(remark)
    return 0


def _size(config: ScaleConfig) -> Size:
    costs = config.models.costs
    size = config.size or (costs.resolution if costs else None)
    if size is None:
        raise ValueError(
            f"models: {config.models.name} does not say costs.resolution; give size=HEIGHTxWIDTH"
        )
    return size


def _family(config: ScaleConfig, coefficients: Factors, size: Size) -> Iterator[ModelCard]:
    """A card for each phi, or for the largest within the budget."""
    card = config.models

    @cache
    def member(phi: float) -> ModelCard:
        return scaled_card(card, coefficients.after(phi), size, f"{card.name}_phi{phi:g}")

    phis = config.phi
    if config.budget is not None:
        phis = (largest_phi(lambda phi: costs_of(member(phi))[0], config.budget),)
    yield from map(member, phis)


def _grid(step: float, base: ModelCard, size: Size) -> Iterator[ModelCard]:
    """A card for each network that doubles the cost, also as counted.

    Many coefficients are rounded to the same network: of those the nearest to 2 is given.
    """
    known = set()
    for factors in grid(step):
        name = "{}_d{:g}_w{:g}_r{:g}".format(base.name, *factors)
        member = scaled_card(base, factors, size, name)
        if member.costs not in known and doubles(costs_of(member)[0] / costs_of(base)[0]):
            yield member
        known.add(member.costs)


def costs_of(card: ModelCard) -> tuple[float, float]:
    """GMACs and millions of parameters of a priced card."""
    costs = card.costs or Costs()
    assert costs.gmacs is not None
    assert costs.parameters_millions is not None
    return costs.gmacs, costs.parameters_millions


def header(wide: int) -> str:
    """The names of the columns, the first one so wide."""
    return f"{'network':<{wide}}  units  {'resolution':>11}  {'GMACs':>8}  growth  {'M params':>8}"


def line(card: ModelCard, base: ModelCard, wide: int) -> str:
    """A row as the terminal shows it; `growth` is in GMACs over those of `base`."""
    macs, millions = costs_of(card)
    assert card.costs is not None
    assert card.costs.resolution is not None
    pixels = "x".join(map(str, card.costs.resolution))
    return (
        f"{card.name:<{wide}}  {len(card.architecture):>5}  {pixels:>11}  {macs:>8.3f}"
        f"  {macs / costs_of(base)[0]:>6.2f}  {millions:>8.3f}"
    )


def _remarks(config: ScaleConfig, coefficients: Factors, count: int) -> Iterator[str]:
    yield ""
    if config.grid is None:
        depth, width, resolution = coefficients
        yield (
            f"depth {depth:g}, width {width:g}, resolution {resolution:g}: GMACs grow by "
            f"{coefficients.growth:.3g} a step of phi, before units, channels and sides are rounded"
        )
    else:
        yield (
            f"{count} networks cost twice as much, within {TOLERANCE:.0%}. Costs cannot tell which "
            "is best: train each alike, and give the coefficients of the most accurate as "
            "depth=, width= and resolution="
        )
    if config.output is not None and count:
        yield (
            f"the cards are in {config.output}; train them with train models=CARD, on crops that "
            "grow like the resolution"
        )
