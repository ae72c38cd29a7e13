"""The schema of an evaluation, and how it comes from a command line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from omegaconf import OmegaConf
from pydantic import Field, model_validator

from squeezenas.core.config import Strict, Tracking
from squeezenas.core.dataset_card import DatasetCard, SplitName
from squeezenas.core.model_card import ModelCard, Weights
from squeezenas.core.overrides import merge, parse
from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import cards, find, origin_of
from squeezenas.core.run_config import Sinks
from squeezenas.core.validation import validated


class EvaluateConfig(Strict):
    """What is evaluated, on what, and what is kept of it."""

    split: SplitName = "val"
    """The split it is evaluated on."""
    weights: Path | None = None
    """A .safetensors file; omitted: the one the model card names."""
    flip: bool = False
    """Average with the prediction of the mirrored frame."""
    scales: tuple[Annotated[float, Field(gt=0)], ...] = Field((1.0,), min_length=1)
    """Average predictions at these sizes, as parts of the frame's own."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of the network. auto: fp16 on GPUs, else fp32."""
    predictions: Path | None = None
    """Instead of a network: a folder of PNG predictions, named <stem>*.png."""
    ids: Literal["label", "train"] = "label"
    """What those files hold: label ids as the masks do, or train ids."""
    output: Path | None = None
    """Folder for scores.json, classes.csv and confusion_matrix.png; omitted: only printed."""
    save_predictions: bool = False
    """Keep the predictions as <output>/predictions/<stem>_pred_labelIds.png, for the Cityscapes
    server."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU when there is one."""
    workers: int = Field(0, ge=0)
    """Processes that load images for each process; 0: load in the process itself."""
    threads: int = Field(0, ge=0)
    """CPU threads of torch; 0: its default."""
    tracking: Sinks = ()
    """Where the scores go beside the output: none, wandb, tensorboard or [wandb,tensorboard]."""
    wandb: Tracking = Tracking()
    """Weights & Biases, read when `tracking` names it."""
    models: ModelCard | None = None
    """The network, `models=<card>`."""
    datasets: DatasetCard
    """The data set, `datasets=<card>`; omitted: the one the model card names."""

    @model_validator(mode="after")
    def _one_subject(self) -> EvaluateConfig:
        if (self.models is None) == (self.predictions is None):
            raise ValueError("name either a network with models=CARD or predictions=FOLDER")
        if self.models is None and self.save_predictions:
            raise ValueError("save_predictions is for models=CARD; predictions=FOLDER has them")
        if self.save_predictions and self.output is None:
            raise ValueError("save_predictions needs output=FOLDER")
        if self.tracking and self.output is None:
            raise ValueError("tracking needs output=FOLDER, where its files go")
        return self

    @model_validator(mode="after")
    def _same_classes(self) -> EvaluateConfig:
        for card in (self.models, self.datasets):
            if card is not None and card.task != "segmentation":
                raise ValueError(
                    f"{card.name} is for {card.task}; what is evaluated here is segmentation "
                    "(what else a training reached is in the summary.json of its stage)"
                )
        if self.models is not None and self.models.classes != self.datasets.classes:
            raise ValueError(
                f"the {len(self.models.classes)} classes of {self.models.name} are not the "
                f"{self.datasets.num_classes} of {self.datasets.name}; name the data set it was "
                "trained on with datasets=CARD"
            )
        return self


def load_evaluation(arguments: Sequence[str]) -> tuple[EvaluateConfig, Path]:
    """The configuration from arguments like `models=<card> split=val flip=true`.

    Returns:
        The configuration, and the folder in which its `models.weights.file` lies. A file given with
        `weights=` stands there in place of the card's own.

    Raises:
        FileNotFoundError: a card or file given as a path does not exist.
        ValueError: unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, ["models", "datasets"])
    files: dict[str, Path] = {}
    if "models" in request.cards:
        files["models"] = find("models", request.cards["models"])
    content = {section: read_yaml(file) for section, file in files.items()}
    named = content["models"].get("dataset") if content else None
    dataset = request.cards.get("datasets", named)
    if dataset is None:
        raise ValueError(f"name a card with datasets=<card>; known: {', '.join(cards('datasets'))}")
    files["datasets"] = find("datasets", str(dataset))
    content["datasets"] = read_yaml(files["datasets"])

    origin = origin_of(request, files)
    merged = merge(OmegaConf.create(content), request.values, origin)
    config = validated(EvaluateConfig, merged, origin)
    if config.weights is None or config.models is None:
        return config, files.get("models", Path()).parent
    card = config.models.model_copy(update={"weights": _weights(config.weights)})
    return config.model_copy(update={"models": card}), config.weights.parent


def _weights(path: Path) -> Weights:
    """A file of weights as a card would name it."""
    if not path.is_file():
        raise FileNotFoundError(f"weights={path}: no such file; give a .safetensors file")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return Weights(file=Path(path.name), sha256=found)
