"""What the commands that use a trained network have in common, and how it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

from omegaconf import OmegaConf
from pydantic import Field, model_validator

from squeezenas.core.config import Strict
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard
from squeezenas.core.overrides import merge, parse
from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import cards, find, origin_of
from squeezenas.core.validation import validated


class NetworkConfig(Strict):
    """A trained network and the data set whose classes it tells apart."""

    weights: Path | None = None
    """A .safetensors file; omitted: the weights the model card names."""
    threads: int = Field(0, ge=0)
    """CPU threads; 0: as many as the library likes."""
    models: ModelCard
    """The network, `models=<card>`."""
    datasets: DatasetCard
    """Classes, palette, mean and deviation, `datasets=<card>`; omitted: what the model card
    names."""

    @model_validator(mode="after")
    def _labels(self) -> NetworkConfig:
        if self.models.task != "segmentation":
            raise ValueError(
                f"{self.models.name} is for {self.models.task}; name a network that segments"
            )
        if self.models.classes != self.datasets.classes:
            raise ValueError(
                f"the {len(self.models.classes)} classes of {self.models.name} are not the "
                f"{self.datasets.num_classes} of {self.datasets.name}; name the data set it was "
                "trained on with datasets=CARD"
            )
        if len(self.models.classes) > 256:
            raise ValueError(f"{self.models.name} has more than 256 classes: labels are bytes")
        return self


C = TypeVar("C", bound=NetworkConfig)
Ids = Literal["label", "train"]


def load_network_config(kind: type[C], arguments: Sequence[str]) -> tuple[C, Path]:
    """The configuration from arguments like `models=<card> output=FOLDER`.

    Returns:
        The configuration, and the folder in which the model card lies.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, ["models", "datasets"])
    if "models" not in request.cards:
        raise ValueError(f"name a network with models=CARD; known: {', '.join(cards('models'))}")
    files = {"models": find("models", request.cards["models"])}
    content = {"models": read_yaml(files["models"])}
    dataset = request.cards.get("datasets", str(content["models"].get("dataset")))
    files["datasets"] = find("datasets", dataset)
    content["datasets"] = read_yaml(files["datasets"])

    origin = origin_of(request, files)
    config = validated(kind, merge(OmegaConf.create(content), request.values, origin), origin)
    return config, files["models"].parent
