"""The model card: one network, as text that a person can read and a program can rebuild.

A search ends by writing one (`architecture.yaml`); the files in `models/` are the published ones.
Whether the options are legal in the space is checked where networks are built: that needs torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import OmegaConf
from pydantic import Field, field_validator

from squeezenas.core.config import Size, Strict
from squeezenas.core.files import read_yaml, to_yaml, write_atomically
from squeezenas.core.overrides import merge
from squeezenas.core.validation import validated

Cost = Annotated[float, Field(ge=0)]


class Costs(Strict):
    """What one forward pass of one image costs."""

    resolution: Size
    """Height and width of the image."""
    gmacs: Cost | None = None
    """Multiply-accumulates of the convolutions, in 1e9."""
    parameters_millions: Cost | None = None
    """Learned values, in 1e6."""
    latency_ms: Cost | None = None
    """Median time in milliseconds on the device in `latency_device`."""
    latency_device: str | None = None
    """Device, runtime and precision of `latency_ms`."""


class Weights(Strict):
    """Where trained weights are, and how to know them."""

    url: str | None = None
    """Address of the file."""
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Checksum of the file."""
    git_blob_sha1: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    """Git's name of the file in its repository."""
    licence: str | None = None
    """Terms of the weights."""


class ModelCard(Strict):
    """One network of a search space."""

    name: str = Field(min_length=1)
    """Name of the network."""
    description: str = ""
    """One line, shown by --help."""
    space: str
    """The search space it is from."""
    head: Literal["lr_aspp", "deeplabv3plus"]
    """Segmentation head."""
    classes: tuple[str, ...] = Field(min_length=1)
    """Class names in the order of the logits."""
    dataset: str
    """The dataset card it was searched or trained on."""
    architecture: tuple[str, ...] = Field(min_length=1)
    """One option a choice, in the order of the space."""
    costs: Costs | None = None
    """What it costs."""
    published: dict[str, float] = Field(default_factory=dict)
    """Published scores by name, in percent."""
    weights: Weights | None = None
    """Trained weights."""
    search: dict[str, Any] = Field(default_factory=dict)
    """Provenance: how it was found."""

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in classes if classes.count(name) > 1})
        if twice:
            raise ValueError(f"class names must differ; given twice: {', '.join(twice)}")
        return classes


def read_model_card(path: Path) -> ModelCard:
    """The card in a YAML file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a model card; names every key that is wrong.
    """
    content = merge(OmegaConf.create({"models": read_yaml(path)}), {})["models"]
    return validated(ModelCard, content, lambda key: f"(in {path})", prefix="models")


def write_model_card(path: Path, card: ModelCard) -> None:
    """Writes a card that `read_model_card` reads back equal.

    Raises:
        OSError: it cannot be written; a previous file stays.
    """
    write_atomically(path, to_yaml(card.model_dump(mode="json", exclude_none=True)))
