"""The model card: one network, as text that a person can read and a program can rebuild.

A search ends by writing one (`architecture.yaml`), and so does a retraining; the files in `models/`
are the published ones and the baselines. Whether the options are legal in the space, or the
backbone exists, is checked where networks are built: that needs torch.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from omegaconf import OmegaConf
from pydantic import Field, field_validator, model_validator

from squeezenas.core.config import Head, Size, Strict, TaskName
from squeezenas.core.files import to_yaml, write_atomically
from squeezenas.core.overrides import merge
from squeezenas.core.reading import read_yaml
from squeezenas.core.validation import validated

MOST_WORDS = 10_000_000

Cost = Annotated[float, Field(ge=0)]


class Costs(Strict):
    """What one forward pass of one image costs."""

    resolution: Size | None = None
    """Height and width of the image; networks for text have none."""
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

    file: Path | None = None
    """A safetensors file, relative to the folder of the card."""
    url: str | None = None
    """Address of the file."""
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Checksum of the file."""
    git_blob_sha1: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    """Git's name of the file in its repository."""
    licence: str | None = None
    """Terms of the weights."""

    @model_validator(mode="after")
    def _known(self) -> Weights:
        if self.file is not None and self.sha256 is None:
            raise ValueError(f"{self.file} needs its sha256 beside it")
        return self

    @field_validator("file")
    @classmethod
    def _beside(cls, file: Path | None) -> Path | None:
        if file is not None and (file.is_absolute() or ".." in file.parts):
            raise ValueError(f"{file} is not in the folder of the card; move it there")
        return file


class ModelCard(Strict):
    """One network: an architecture of a search space, or one that other libraries know by name."""

    name: str = Field(min_length=1)
    """Name of the network."""
    description: str = ""
    """One line, shown by --help."""
    space: str | None = None
    """The search space it is from."""
    scale: dict[str, Any] = Field(default_factory=dict)
    """Sizes of a network of that space that are not searched, such as cells and channels."""
    head: Head | None = None
    """What a network of a space ends in."""
    network: str | None = None
    """Instead of a space: a registered network, such as torchvision_lraspp or timm_deeplabv3."""
    backbone: str | None = None
    """The backbone of that network, as its library calls it."""
    task: TaskName = "segmentation"
    """classification: a classifier ends it, as pre-training leaves a backbone; language: words."""
    classes: tuple[str, ...] = ()
    """Class names in the order of the logits; of a vocabulary only `words` is given."""
    words: int | None = Field(None, gt=0, le=MOST_WORDS)
    """Number of words that a language network knows."""
    dataset: str
    """The dataset card it was searched or trained on."""
    architecture: tuple[str, ...] = ()
    """In the words of the space: one option a choice, in its order, or a genotype."""
    costs: Costs | None = None
    """What it costs."""
    published: dict[str, float] = Field(default_factory=dict)
    """Published scores by name, in percent; perplexities are not."""
    weights: Weights | None = None
    """Trained weights."""
    search: dict[str, Any] = Field(default_factory=dict)
    """Provenance: how it was found."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: stages, metrics, seeds, versions and the command that repeats it."""

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return self.words or len(self.classes)

    @field_validator("architecture", mode="before")
    @classmethod
    def _genotype(cls, architecture: Any) -> Any:
        return (architecture,) if isinstance(architecture, str) else architecture

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted(name for name, count in Counter(classes).items() if count > 1)
        if twice:
            raise ValueError(f"class names must differ; given twice: {', '.join(twice)}")
        return classes

    @model_validator(mode="after")
    def _one_kind(self) -> ModelCard:
        of_a_space = {"space": self.space, "head": self.head, "architecture": self.architecture}
        named = {"network": self.network, "backbone": self.backbone}
        wanted, foreign = (of_a_space, named) if self.network is None else (named, of_a_space)
        faults = [f"{key} is missing" for key, value in wanted.items() if not value]
        faults += [f"{key} does not belong here" for key, value in foreign.items() if value]
        speaks = self.task == "language"
        if not (self.words if speaks else self.classes):
            faults.append(f"{'words' if speaks else 'classes'} is missing")
        if self.classes if speaks else self.words:
            faults.append(f"{'classes' if speaks else 'words'} does not belong here")
        if faults:
            raise ValueError(
                "a network has either space, head and architecture, or network and backbone: "
                + ", ".join(faults)
            )
        return self


def read_model_card(path: Path) -> ModelCard:
    """The card in a YAML file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a model card; names every key that is wrong.
    """

    def origin(key: str) -> str:
        return f"(in {path})"

    content = merge(OmegaConf.create({"models": read_yaml(path)}), {}, origin)["models"]
    return validated(ModelCard, content, origin, prefix="models")


def write_model_card(path: Path, card: ModelCard) -> None:
    """Writes a card that `read_model_card` reads back equal.

    Raises:
        OSError: it cannot be written; a previous file stays.
    """
    write_atomically(path, card_text(card))


def card_text(card: ModelCard) -> str:
    """What the file of a card holds."""
    return to_yaml(card.model_dump(mode="json", exclude_defaults=True))
