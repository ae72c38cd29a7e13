"""What an exported file says about itself, so that it can be used without this package."""

from __future__ import annotations

import json

from squeezenas import __version__
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard


def metadata(card: ModelCard, dataset: DatasetCard) -> dict[str, str]:
    """Name -> text; lists and mappings as JSON.

    `mean` and `std` are inside the graph already: images go in as bytes.
    """
    label_ids = [0] * dataset.num_classes
    for label_id, train_id in reversed(dataset.train_ids.items()):
        if train_id < dataset.num_classes:
            label_ids[train_id] = label_id
    return {
        "producer": f"squeezenas {__version__}",
        "name": card.name,
        "description": card.description,
        "licence": (card.weights.licence if card.weights else None) or "",
        "input": "images (N, H, W, 3), uint8, RGB",
        "classes": json.dumps(card.classes),
        "palette": json.dumps(dataset.palette),
        "label_ids": json.dumps(label_ids),
        "mean": json.dumps(dataset.mean),
        "std": json.dumps(dataset.std),
        "card": json.dumps(card.model_dump(mode="json", exclude_defaults=True)),
    }
