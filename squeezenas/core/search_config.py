"""The schema of a search: the run's own keys, a dataset card and a regime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from squeezenas.core.config import Descent, Feed, Fraction, Head, Loss, Positive, Size, Strict
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.dropout_config import Dropout
from squeezenas.core.run_config import RunConfig
from squeezenas.core.strategy_config import Strategy


class Optimiser(Descent):
    """The optimiser of the supernet's weights."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    """Update rule."""
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    """How the learning rate falls over all weight steps."""
    warmup_steps: int = Field(0, ge=0)
    """Steps in which the learning rate rises linearly from 0."""
    nesterov: bool = True
    """Nesterov's momentum, in sgd."""


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


class Select(Strict):
    """How the final network is chosen."""

    protocol: Literal["clean", "paper"] = "clean"
    """clean: chosen on held-out training frames, reported on val; paper: both on val."""
    candidates: int = Field(100, ge=0)
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


class SearchRegime(Feed):
    """One experiment: how a space is searched."""

    description: str = ""
    """One line, shown by --help."""
    dataset: str = "street_scenes"
    """Dataset card of this experiment, used unless another is picked with datasets=."""
    space: str
    """A registered search space."""
    scale: dict[str, Any] = Field(default_factory=dict)
    """Sizes of its networks that are not searched, such as cells and channels; the space names
    them."""
    head: Head = "lr_aspp"
    """What networks end in: a segmentation head; classifier for one class an image; decoder for
    words."""
    strategy: Strategy = Strategy()
    """What moves through the space."""
    cost: Cost | None = None
    """What a network may cost; omitted: anything. For spaces whose units add up."""
    epochs: Positive
    """Epochs, warm-up included."""
    warmup_epochs: int = Field(0, ge=0)
    """First epochs, in which only the convolutions learn."""
    steps_per_epoch: int = Field(0, ge=0)
    """Weight steps an epoch; 0: one pass over the weight half."""
    loss: Loss = Loss()
    """What is minimised."""
    dropout: Dropout = Dropout()
    """What is dropped within a language supernet."""
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
    animation: bool = False
    """Whether cells.gif shows the favoured cells epoch by epoch, in spaces of cells."""

    @model_validator(mode="after")
    def _breeds(self) -> SearchRegime:
        population = self.strategy.single_path.population
        if self.strategy.name == "single_path" and self.select.candidates <= population:
            raise ValueError(
                f"select.candidates={self.select.candidates}: evolution breeds after its first "
                f"{population}; ask for more, or lower strategy.single_path.population"
            )
        return self

    @model_validator(mode="after")
    def _second_order(self) -> SearchRegime:
        strategy = self.strategy
        if strategy.name == "darts" and strategy.darts.order == 2 and self.optimiser.name != "sgd":
            raise ValueError(
                "strategy.darts.order=2 differentiates a step of sgd; set optimiser.name=sgd, or "
                "strategy.darts.order=1"
            )
        return self

    @field_validator("loss")
    @classmethod
    def _no_auxiliary_head(cls, loss: Loss) -> Loss:
        if loss.auxiliary:
            raise ValueError(
                "a supernet has no auxiliary head; leave auxiliary out, and set it where the "
                "chosen network is trained"
            )
        return loss

    @field_validator("warmup_epochs")
    @classmethod
    def _leaves_epochs(cls, warmup: int, info: ValidationInfo) -> int:
        epochs = info.data.get("epochs", warmup + 1)
        if warmup >= epochs:
            raise ValueError(
                f"must be below epochs = {epochs}, got {warmup}: nothing would be searched"
            )
        return warmup


class SearchConfig(RunConfig):
    """The resolved configuration of a search: what `config.yaml` of its run folder holds."""

    datasets: DatasetCard
    """The dataset card, `datasets=<card>`."""
    regime: SearchRegime
    """The regime, `training_regimes=<card>`."""
