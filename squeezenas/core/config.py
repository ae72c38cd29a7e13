"""The schema of a search: every key with its default and meaning, and nothing else accepted."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

Positive = Annotated[int, Field(gt=0)]
Depth = Annotated[int, Field(gt=0, le=1000)]
"""Cells, layers or nodes of a network; with a card's number without bounds it is never built."""
Width = Annotated[int, Field(gt=0, le=100_000)]
"""Channels or hidden units of a network."""
Fraction = Annotated[float, Field(ge=0, le=1)]


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"{name!r} leads out of the root; name what lies inside it")
    return name


Inside = Annotated[str, AfterValidator(_inside)]
"""A file or folder below the root of a data set; cards are handed from one to another."""


def several(value: Any) -> Any:
    """For keys that are lists: one value alone is a list of one; `a,b` are two."""
    if isinstance(value, str):
        return value.split(",")
    return [value] if isinstance(value, int | float) else value


def _sides(size: Any) -> Any:
    """`1024x2048` is `[1024, 2048]`."""
    if isinstance(size, str) and re.fullmatch(r"\d+x\d+", size):
        return tuple(int(side) for side in size.split("x"))
    return size


Size = Annotated[tuple[Positive, Positive], BeforeValidator(_sides)]


def _multiples(crop: tuple[int, int]) -> tuple[int, int]:
    if any(side % 32 for side in crop):
        near = [max(32, round(side / 32) * 32) for side in crop]
        raise ValueError(f"sides must be multiples of 32, got {list(crop)}; nearest: {near}")
    return crop


Crop = Annotated[Size, AfterValidator(_multiples)]

TaskName = Literal["segmentation", "classification", "language"]
Head = Literal["lr_aspp", "deeplabv3plus", "classifier", "decoder"]


def task_of(head: str) -> str:
    """What a network that ends in this head is for."""
    return {"classifier": "classification", "decoder": "language"}.get(head, "segmentation")


AUTO_AUGMENT = (
    r"rand(-(m\d+|n[1-9]\d*|p(0?\.\d+|[01])|mstd\d+(\.\d+)?|mmax[1-9]\d*|inc[01]))*"
    r"|augmix(-(m\d+|w[1-9]\d*|d[1-9]\d*|a\d+(\.\d+)?|b[01]|mstd\d+(\.\d+)?))*"
    r"|((v0|original)r?|3a)(-mstd\d+(\.\d+)?)?"
)


class Strict(BaseModel):
    """A group of keys: unknown ones are errors, values do not change after validation."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,  # `name=2024` and `tags=[7]` mean text
    )


class Descent(Strict):
    """What every optimiser of weights has."""

    lr: float = Field(0.1, gt=0)
    """Peak learning rate."""
    momentum: Fraction = 0.9
    """Momentum, for optimisers that have one."""
    weight_decay: float = Field(5e-4, ge=0)
    """L2 penalty, decoupled in optimisers such as adamw; never on batch norms and biases."""
    clip: float = Field(5.0, ge=0)
    """Largest gradient norm; 0 switches clipping off."""


class Augmentation(Strict):
    """What a training image goes through before it is cropped."""

    scale: tuple[float, float] = (0.5, 2.0)
    """Smallest and largest resize factor, drawn uniformly."""
    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    colour: float = Field(0.2, ge=0, le=1)
    """Strength of brightness, contrast, saturation and hue jitter."""

    @field_validator("scale")
    @classmethod
    def _ordered(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"must be [smallest, largest], both above 0, got {list(scale)}")
        return scale


class ImageAugmentation(Strict):
    """What a training image of a classification data set goes through."""

    scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest share of the image's area that is cut out."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Smallest and largest width over height of what is cut out."""
    padding: int = Field(0, ge=0)
    """Black pixels added on every side, for a random window of the size of the crop; 0: `scale` and
    `ratio` cut instead."""
    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    colour: float = Field(0.4, ge=0, le=1)
    """Strength of brightness, contrast and saturation jitter; auto_augment takes its place."""
    auto_augment: str = ""
    """A policy in timm's words, such as rand-m9-mstd0.5-inc1; empty: none."""
    erase: Fraction = 0.0
    """Probability that a rectangle is erased (arXiv:1708.04896)."""
    cutout: int = Field(0, ge=0)
    """Side of the square that is painted in the mean colour (arXiv:1708.04552), pixels; 0: none."""

    @field_validator("scale", "ratio")
    @classmethod
    def _ordered(cls, pair: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        if not 0 < pair[0] <= pair[1]:
            raise ValueError(f"must be [smallest, largest], both above 0, got {list(pair)}")
        if info.field_name == "scale" and pair[1] > 1:
            raise ValueError(f"is a share of the area, at most 1, got {list(pair)}")
        return pair

    @field_validator("auto_augment")
    @classmethod
    def _policy(cls, policy: str) -> str:
        # timm skips some sections that it does not know; a slip would train without being seen.
        if policy and not re.fullmatch(AUTO_AUGMENT, policy):
            raise ValueError(
                f"{policy!r} is no policy of timm; write one such as rand-m9-mstd0.5-inc1, "
                "augmix-m5-w4-d2, original-mstd0.5 or 3a"
            )
        return policy


class Loss(Strict):
    """What is minimised."""

    kind: Literal["cross_entropy", "ohem"] = "cross_entropy"
    """cross_entropy over all labelled pixels; ohem: over the hard ones alone (arXiv:1604.03540)."""
    label_smoothing: Fraction = 0.0
    """Share of the target that is spread over all classes."""
    class_weights: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """Weight of each class; empty: all alike."""
    ohem_threshold: float = Field(0.7, gt=0, lt=1)
    """Pixels whose true class got less probability than this are hard."""
    ohem_kept: Fraction = 0.1
    """The hardest share of an image's labelled pixels, kept however easy they are."""
    auxiliary: float = Field(0.0, ge=0)
    """Weight of the loss of the auxiliary head, in networks that have one (DARTS: 0.4)."""
    activation_penalty: float = Field(0.0, ge=0)
    """Weight of the mean square of the last layer's dropped-out activations, of language networks
    (arXiv:1708.02182, section 4.6)."""
    slowness_penalty: float = Field(0.0, ge=0)
    """Weight of the mean square of their change from word to word."""


class Feed(Strict):
    """What a network is trained on, a step at a time."""

    batch_size: Positive
    """Images, or columns of text, a step over all processes."""
    crop: Crop = (768, 768)
    """Height and width of a training image, multiples of 32."""
    augmentation: Augmentation = Augmentation()
    """What a training image and its mask go through (segmentation)."""
    image_augmentation: ImageAugmentation = ImageAugmentation()
    """What a training image goes through (classification)."""
    bptt: Positive = 35
    """Mean words of a column that a step reads and differentiates through (language)."""


class Tracking(Strict):
    """Where metrics go beside `metrics.jsonl`."""

    project: str = "squeezenas"
    """W&B project."""
    entity: str | None = None
    """W&B team or user."""
    mode: Literal["online", "offline"] = "offline"
    """W&B mode; offline needs no account."""
    group: str = ""
    """W&B group; empty: the name of the search, which all runs of its network share."""
    tags: list[str] = []
    """W&B tags."""
