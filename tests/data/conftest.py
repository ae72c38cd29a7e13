"""Tiny data sets, one of masks and one of classes, and their cards."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from squeezenas.core.dataset_card import DatasetCard

MakeCard = Callable[..., DatasetCard]


@pytest.fixture
def make_card(tmp_path: Path) -> MakeCard:
    def make(**changes: object) -> DatasetCard:
        base = {
            "name": "tiny",
            "title": "Tiny",
            "layout": "folders",
            "root": tmp_path / "tiny",
            "splits": {"train": ["train"], "val": ["val"]},
            "classes": ["a", "b", "c"],
            "palette": [[0, 0, 0], [9, 9, 9], [200, 0, 0]],
            "ignore_ids": [255],
            "licence": "none",
            "how_to_get": "draw it",
        }
        return DatasetCard.model_validate({**base, **changes})

    return make


@pytest.fixture
def tiny(make_card: MakeCard) -> DatasetCard:
    """Seven frames to train on, three to evaluate on, 40x56; every image is its own grey."""
    card = make_card()
    rng = np.random.default_rng(0)
    for split, count in (("train", 7), ("val", 3)):
        for kind in ("images", "masks"):
            (card.root / kind / split).mkdir(parents=True)
        for index in range(count):
            image = rng.integers(0, 256, (40, 56, 3), np.uint8)
            mask = rng.integers(0, 3, (40, 56), np.uint8)
            mask[0, 0] = 255
            cv2.imwrite(str(card.root / "images" / split / f"{split}{index}.png"), image)
            cv2.imwrite(str(card.root / "masks" / split / f"{split}{index}.png"), mask)
    return card


@pytest.fixture
def photos(tmp_path: Path) -> DatasetCard:
    """Three classes of two images to train on and one to evaluate on; every size is another."""
    card = DatasetCard.model_validate(
        {
            "name": "photos",
            "title": "Photos",
            "task": "classification",
            "layout": "image_folders",
            "root": tmp_path / "photos",
            "splits": {"train": ["train"], "val": ["val"]},
            "licence": "none",
            "how_to_get": "take them",
        }
    )
    rng = np.random.default_rng(1)
    for split, count in (("train", 2), ("val", 1)):
        for number, wnid in enumerate(("n02", "n01", "n03")):
            folder = card.root / split / wnid
            folder.mkdir(parents=True)
            for index in range(count):
                size = (50 + 10 * number, 70 - 8 * index, 3)
                image = cv2.GaussianBlur(rng.integers(0, 256, size, np.uint8), (0, 0), 2)
                cv2.imwrite(str(folder / f"{split}{index}.JPEG"), image)
    return card
