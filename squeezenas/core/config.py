"""The schema of a search: every key with its default and meaning, and nothing else accepted."""

from __future__ import annotations

import re
from pathlib import Path
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
Fraction = Annotated[float, Field(ge=0, le=1)]


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


class Optimiser(Descent):
    """The optimiser of the supernet's weights."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    """Update rule."""
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    """How the learning rate falls over all weight steps."""
    warmup_steps: int = Field(0, ge=0)
    """Steps in which the learning rate rises linearly from 0."""


class ArchitectureOptimiser(Strict):
    """The optimiser of the architecture parameters."""

    name: Literal["adam", "sgd"] = "adam"
    """Update rule."""
    lr: float = Field(0.01, gt=0)
    """Learning rate, constant."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Moment decay rates of adam."""
    weight_decay: float = Field(5e-4, ge=0)
    """L2 penalty on the architecture parameters."""

    @field_validator("betas")
    @classmethod
    def _decay(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"both rates must be at least 0 and below 1, got {list(betas)}")
        return betas


class Temperature(Strict):
    """Temperature of the Gumbel-softmax."""

    schedule: Literal["linear", "exponential"] = "exponential"
    """Shape of the fall from `start` to `end`."""
    start: float = Field(5.0, gt=0)
    """Temperature at the first architecture step."""
    end: float = Field(0.1, gt=0, validate_default=True)
    """Temperature at the last epoch."""

    @field_validator("end")
    @classmethod
    def _falls(cls, end: float, info: ValidationInfo) -> float:
        start = info.data.get("start", end)
        if end > start:
            raise ValueError(f"must be at most start = {start:g}, got {end:g}: temperatures fall")
        return end


class Strategy(Strict):
    """What moves through the space."""

    name: str = "gumbel"
    """A registered strategy."""
    sampling: Literal["soft", "hard"] = "soft"
    """soft: a mixture of all candidates an image (the paper); hard: one candidate a batch,
    straight-through."""
    optimiser: ArchitectureOptimiser = ArchitectureOptimiser()
    """Optimiser of the architecture parameters."""
    temperature: Temperature = Temperature()
    """Gumbel-softmax temperature."""


class Cost(Strict):
    """What a network may cost, and how the search pays for it."""

    kind: Literal["macs", "parameters", "latency"] = "macs"
    """macs in GMACs, parameters in millions, latency in milliseconds on the device at hand."""
    target: float = Field(gt=0)
    """The chosen network costs at most this much."""
    resolution: Size
    """Height and width of the image that is priced."""
    penalty: Literal["target", "additive", "fbnet", "mnasnet"] = "target"
    """target: multiplier adapted until the expected cost meets the target; additive: loss +
    multiplier * cost (SqueezeNAS); fbnet: loss * alpha * log(cost)^beta; mnasnet: loss *
    (cost / target)^exponent."""
    multiplier: float = Field(0.1, ge=0)
    """Weight of the cost in `additive`, its start in `target`."""
    rate: float = Field(0.05, gt=0)
    """How fast `target` adapts its multiplier, per step and relative excess."""
    alpha: float = Field(0.2, gt=0)
    """FBNet's alpha (arXiv:1812.03443, eq. 2)."""
    beta: float = Field(0.6, gt=0)
    """FBNet's beta: the logarithm is raised, not its argument."""
    exponent: float = Field(0.07, gt=0)
    """MnasNet's w with its sign turned (arXiv:1807.11626, eq. 2): a loss grows with cost."""
    runtime: Literal["torch", "onnxruntime", "openvino"] = "torch"
    """What latency is measured in: torch, on the device and in the precision of the search;
    onnxruntime and openvino, on the CPU in float32."""
    table: Path | None = None
    """A saved latency table to use instead of measuring one."""

    @field_validator("runtime", "table")
    @classmethod
    def _latency_only(cls, value: Path | str | None, info: ValidationInfo) -> Path | str | None:
        kind = info.data.get("kind", "latency")
        if value not in (None, "torch") and kind != "latency":
            raise ValueError(f"only kind=latency reads it, and kind is {kind}; leave it out")
        return value


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
    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    colour: float = Field(0.4, ge=0, le=1)
    """Strength of brightness, contrast and saturation jitter; auto_augment takes its place."""
    auto_augment: str = ""
    """A policy in timm's words, such as rand-m9-mstd0.5-inc1; empty: none."""
    erase: Fraction = 0.0
    """Probability that a rectangle is erased (arXiv:1708.04896)."""

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


class Select(Strict):
    """How the final network is chosen."""

    protocol: Literal["clean", "paper"] = "clean"
    """clean: chosen on held-out training frames, reported on val; paper: both on val."""
    candidates: Positive = 100
    """Networks sampled from the learned distribution, beside its argmax."""
    random: int = Field(20, ge=0)
    """Random networks of the same cost, scored the same way."""
    recalibration_batches: int = Field(20, ge=0)
    """Training batches that re-estimate each network's batch-norm statistics; 0 keeps those of the
    supernet."""
    images: int = Field(0, ge=0)
    """Largest number of frames a network is chosen on; 0: all."""
    held_out: Fraction = 0.1
    """Share of the training frames kept for choosing under the clean protocol."""

    @field_validator("held_out")
    @classmethod
    def _leaves_both(cls, share: float, info: ValidationInfo) -> float:
        if info.data.get("protocol") == "clean" and not 0 < share < 1:
            raise ValueError(
                f"protocol=clean chooses on held-out frames: needs 0 < held_out < 1, got {share:g}"
            )
        return share


class SearchRegime(Strict):
    """One experiment: how a space is searched."""

    description: str = ""
    """One line, shown by --help."""
    dataset: str = "street_scenes"
    """Dataset card of this experiment, used unless another is picked with datasets=."""
    space: str
    """A registered search space."""
    head: Literal["lr_aspp", "deeplabv3plus"] = "lr_aspp"
    """Segmentation head."""
    strategy: Strategy = Strategy()
    """What moves through the space."""
    cost: Cost
    """What a network may cost."""
    epochs: Positive
    """Epochs, warm-up included."""
    warmup_epochs: int = Field(0, ge=0)
    """First epochs, in which only the convolutions learn."""
    steps_per_epoch: int = Field(0, ge=0)
    """Weight steps an epoch; 0: one pass over the weight half."""
    batch_size: Positive
    """Images a step over all processes."""
    crop: Crop
    """Height and width of a training crop, multiples of 32."""
    augmentation: Augmentation = Augmentation()
    """What training images go through."""
    optimiser: Optimiser = Optimiser()
    """Optimiser of the supernet's weights."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network; architecture parameters and cost are always float32. auto: fp16 on
    GPUs, else fp32."""
    memory: Literal["full", "lean"] = "full"
    """lean recomputes in the backward pass: less memory, more time."""
    max_bad_steps: Positive = 50
    """Consecutive non-finite steps after which the search stops."""
    select: Select = Select()
    """How the final network is chosen."""

    @field_validator("warmup_epochs")
    @classmethod
    def _leaves_epochs(cls, warmup: int, info: ValidationInfo) -> int:
        epochs = info.data.get("epochs", warmup + 1)
        if warmup >= epochs:
            raise ValueError(
                f"must be below epochs = {epochs}, got {warmup}: nothing would be searched"
            )
        return warmup


class Tracking(Strict):
    """Where metrics go beside `metrics.jsonl`."""

    project: str = "squeezenas"
    """W&B project."""
    entity: str | None = None
    """W&B team or user."""
    mode: Literal["online", "offline"] = "offline"
    """W&B mode; offline needs no account."""
    tags: list[str] = []
    """W&B tags."""
