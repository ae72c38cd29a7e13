"""The schema of a retraining: a network taken through the stages of a regime."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from squeezenas.core.config import Descent, Feed, Fraction, Loss, Positive, Strict
from squeezenas.core.dataset_card import DatasetCard, SplitName
from squeezenas.core.dropout_config import Dropout
from squeezenas.core.model_card import ModelCard
from squeezenas.core.run_config import RunConfig


def _off(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


CacheWord = Annotated[Literal["auto", "memory", "disk", "off"], BeforeValidator(_off)]


class StageOptimiser(Descent):
    """The optimiser of one stage."""

    name: str = "sgd"
    """Any of timm's optimisers; fusedsgd, fusedadam and fusedlamb need NVIDIA's apex and a GPU."""
    schedule: Literal["cosine", "poly", "constant"] = "poly"
    """How the learning rate falls over the stage."""
    warmup_epochs: float = Field(0.0, ge=0)
    """Epochs in which the learning rate rises linearly from 0."""


class Stage(Feed):
    """One stage: a data set and how long and in which way it is trained on."""

    dataset: str
    """Dataset card; it says what this stage learns."""
    init: str = "previous"
    """Weights to start from: previous (the stage before; the first starts from scratch), scratch, a
    model card or a .safetensors file."""
    epochs: Positive
    """Epochs."""
    steps_per_epoch: int = Field(0, ge=0)
    """Steps an epoch; 0: one pass over the training split."""
    accumulation: Positive = 1
    """Parts that a batch is computed in, one after another; batch norms and the mean over labelled
    pixels see a part at a time."""
    optimiser: StageOptimiser = StageOptimiser()
    """Optimiser."""
    loss: Loss = Loss()
    """What is minimised."""
    dropout: Dropout = Dropout()
    """What is dropped within a language network."""
    drop_path: Fraction = 0.0
    """Probability at the last epoch of leaving out an operation of a cell; it rises from 0."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is scored and kept; 0: none."""
    average_after: int = Field(0, ge=0)
    """Validations in a row without a new best after which the plain average of the weights is what
    is scored and kept (NT-ASGD, arXiv:1708.02182, algorithm 1); 0: never."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network. auto: fp16 on GPUs, else fp32."""
    validation: SplitName = "val"
    """Split that is scored between epochs."""
    validate_every: Positive = 1
    """Epochs between two validations; the last epoch is always validated."""
    report: SplitName | None = None
    """Split that the finished network is scored on; omitted: the validation split."""
    max_bad_steps: Positive = 50
    """Consecutive non-finite steps after which the stage stops."""

    @model_validator(mode="after")
    def _consistent(self) -> Stage:
        if self.batch_size % self.accumulation:
            raise ValueError(
                f"batch_size {self.batch_size} does not divide by accumulation {self.accumulation}"
            )
        if self.ema and self.average_after:
            raise ValueError("ema and average_after both average the weights; keep one")
        if self.optimiser.warmup_epochs >= self.epochs:
            raise ValueError(
                f"optimiser.warmup_epochs {self.optimiser.warmup_epochs:g} must be below epochs "
                f"{self.epochs}: the learning rate would never reach its peak"
            )
        return self


class RetrainRegime(Strict):
    """One experiment: the stages a network is taken through."""

    description: str = ""
    """One line, shown by --help."""
    scale: dict[str, Any] = Field(default_factory=dict)
    """Sizes of the network that take the place of those on its card, such as cells and channels."""
    stages: dict[str, Stage] = Field(min_length=1)
    """The stages by name, in their order; each lands in a folder `<number>-<name>`."""

    @field_validator("stages")
    @classmethod
    def _folder_names(cls, stages: dict[str, Stage]) -> dict[str, Stage]:
        if wrong := [name for name in stages if not re.fullmatch(r"\w+", name)]:
            raise ValueError(f"{wrong[0]!r}: a stage is named with letters, digits and underscores")
        return stages


class RetrainConfig(RunConfig):
    """The resolved configuration of a retraining: what `config.yaml` of its run folder holds."""

    cache: CacheWord = "auto"
    """Decoded training images: in memory, memory-mapped on disk, or off. auto: in memory when all
    of them are small."""
    cache_folder: Path = Path("data/cache")
    """Where cache=disk keeps them."""
    models: ModelCard
    """The network, `models=<card>` or `models=runs/<name>/architecture.yaml`."""
    datasets: dict[str, DatasetCard]
    """The dataset card of each stage, by its name: `datasets.imagenet.root=/data/imagenet`."""
    regime: RetrainRegime
    """The regime, `training_regimes=<card>`."""
