"""Networks on the Hugging Face Hub, or in any folder: card, weights and a page that tells of them.

A folder of `save_pretrained` is one of this project as well: `models=<folder>/model.yaml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from squeezenas.core.model_card import ModelCard, Weights, read_model_card, write_model_card
from squeezenas.core.reading import read_json
from squeezenas.core.recipes import find
from squeezenas.core.validation import validated
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import load_into, load_weights, read_weights, save_weights

CARD = "model.yaml"
WEIGHTS = "model.safetensors"


class SqueezeNASModel(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="squeezenas",
    pipeline_tag="image-segmentation",
    tags=["semantic-segmentation", "neural-architecture-search", "arxiv:1908.01748"],
):
    """The network of a model card, with `from_pretrained`, `save_pretrained` and `push_to_hub`.

    Args:
        card: content of a model card; of its `weights` only the licence is kept.

    Raises:
        ValueError: it is no model card, or its network does not exist.
    """

    def __init__(self, card: dict[str, Any]) -> None:
        super().__init__()
        read = validated(ModelCard, card, lambda key: "", prefix="card")
        licence = read.weights.licence if read.weights else None
        weights = Weights(licence=licence) if licence else None
        self.card = read.model_copy(update={"weights": weights})
        self.network = build(self.card)

    @classmethod
    def from_card(cls, name: str) -> SqueezeNASModel:
        """The network of a card, or of a YAML file, with its weights and in evaluation mode.

        Raises:
            OSError, ValueError: no such card, or its weights cannot be had.
        """
        file = find("models", name)
        card = read_model_card(file)
        model = cls(card.model_dump(mode="json", exclude_defaults=True))
        load_into(model.network, load_weights(card, file.parent))
        return model.eval()

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, **arguments: Any
    ) -> SqueezeNASModel:
        """The network of a folder or repository, with its weights and in evaluation mode.

        Raises:
            OSError, ValueError: there is none, or it is not one that `save_pretrained` wrote.
        """
        config = Path(pretrained_model_name_or_path) / "config.json"
        if config.is_file() and not isinstance(read_json(config), dict):
            raise ValueError(f"{config}: no mapping; save_pretrained writes it")
        return super().from_pretrained(pretrained_model_name_or_path, **arguments)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised RGB images `(N, 3, H, W)`, sides multiples of 32, to logits `(N, C, H, W)`."""
        logits: Tensor = self.network(images)
        return logits

    def _save_pretrained(self, save_directory: Path) -> None:
        digest = save_weights(save_directory / WEIGHTS, self.network, self.card)
        weights = self.card.weights or Weights()
        weights = weights.model_copy(update={"file": Path(WEIGHTS), "sha256": digest})
        card = self.card.model_copy(update={"weights": weights})
        write_model_card(save_directory / CARD, card)

    @classmethod
    def _from_pretrained(
        cls, *, model_id: str, card: dict[str, Any] | None = None, **arguments: Any
    ) -> SqueezeNASModel:
        """Unlike the mixin's, it takes no weights that do not fit, and no pickle."""
        if card is None:
            raise ValueError(
                f"{model_id} has no config.json with a card; save_pretrained writes it"
            )
        model = cls(card)
        if Path(model_id).is_dir():
            path = Path(model_id) / WEIGHTS
        else:
            path = Path(huggingface_hub.hf_hub_download(model_id, WEIGHTS, **arguments))
        try:
            load_into(model.network, read_weights(path)[0])
        except ValueError as error:
            raise ValueError(f"{model_id}: {error}") from None
        return model.eval()

    def generate_model_card(self, *args: Any, **keys: Any) -> huggingface_hub.ModelCard:
        """The page of the network on the Hub."""
        about = huggingface_hub.ModelCardData(**self._hub_mixin_info.model_card_data.to_dict())
        if self.card.weights and self.card.weights.licence:
            about.license = self.card.weights.licence.lower()
        return huggingface_hub.ModelCard(f"---\n{about.to_yaml()}\n---\n\n{_page(self.card)}")


def _page(card: ModelCard) -> str:
    rows: dict[str, float | None] = {
        f"{name.replace('_', ' ').replace('iou', 'IoU')}, %": score
        for name, score in sorted(card.published.items())
    }
    if card.costs and card.costs.resolution:
        height, width = card.costs.resolution
        rows |= {
            f"GMACs at {height}x{width}": card.costs.gmacs,
            "parameters, millions": card.costs.parameters_millions,
        }
    table = [f"| {what} | {value:g} |" for what, value in rows.items() if value is not None]
    return "\n".join(
        [
            f"# {card.name}",
            "",
            card.description or f"A network for {card.task}.",
            "",
            *(["| | |", "|---|---|", *table, ""] if table else []),
            "```python",
            "import squeezenas",
            "",
            'model = squeezenas.SqueezeNASModel.from_pretrained("<owner>/<repository>")',
            "logits = model(images)  # normalised RGB, (N, 3, H, W), sides multiples of 32",
            "```",
            "",
            f"Data set: {card.dataset}. {len(card.classes)} classes: {', '.join(card.classes)}.",
            "",
        ]
    )
