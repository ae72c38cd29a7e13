"""The schema of compound scaling: which network, how far, and by which coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from omegaconf import OmegaConf
from pydantic import BeforeValidator, Field, model_validator

from squeezenas.core.config import Crop, Strict, several
from squeezenas.core.model_card import ModelCard
from squeezenas.core.overrides import merge, parse
from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import cards, find, origin_of
from squeezenas.core.validation import validated

Growth = Annotated[float, Field(ge=1)]
Phi = Annotated[float, Field(ge=0)]


class ScaleConfig(Strict):
    """A family of networks made from one."""

    phi: Annotated[tuple[Phi, ...], BeforeValidator(several), Field(min_length=1)] = (1.0, 2.0, 3.0)
    """Compound coefficients, one or a list; each step costs about twice as much."""
    budget: float | None = Field(None, gt=0)
    """Instead of phi: the largest network with at most so many GMACs."""
    grid: float | None = Field(None, ge=0.05, le=1)
    """Instead of phi: a network for each choice of coefficients, in such steps, that doubles the
    cost; training them tells which coefficients are best."""
    depth: Growth = 1.2
    """By how much the units of a stage grow a step of phi (alpha)."""
    width: Growth = 1.1
    """By how much channels grow (beta)."""
    resolution: Growth = 1.15
    """By how much height and width of the image grow (gamma)."""
    size: Crop | None = None
    """Height and width of the image at phi 0; omitted: those of the card's costs. Multiples
    of 32."""
    output: Path | None = None
    """Folder for the model cards; omitted: only printed."""
    models: ModelCard
    """The network to begin with, `models=<card>`."""

    @model_validator(mode="after")
    def _one_way(self) -> ScaleConfig:
        given = sorted({"phi", "budget", "grid"} & self.model_fields_set)
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; give one of them")
        if self.grid and {"depth", "width", "resolution"} & self.model_fields_set:
            raise ValueError("grid tries all depth, width and resolution; leave those out")
        if self.depth == self.width == self.resolution == 1:
            raise ValueError("depth, width and resolution are all 1; raise one of them")
        return self


def load_scaling(arguments: Sequence[str]) -> ScaleConfig:
    """The configuration from arguments like `models=<card> phi=[1,2] output=FOLDER`.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, ["models"])
    if "models" not in request.cards:
        raise ValueError(f"name a network with models=CARD; known: {', '.join(cards('models'))}")
    file = find("models", request.cards["models"])
    origin = origin_of(request, {"models": file})
    content = merge(OmegaConf.create({"models": read_yaml(file)}), request.values, origin)
    return validated(ScaleConfig, content, origin)
