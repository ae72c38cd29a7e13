"""Small random frames in the Cityscapes layout, with instances, and predictions of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import load_dataset

LABEL_IDS = np.arange(34)
WITH_INSTANCES = (*range(24, 34),)


def cityscapes_card(root: Path) -> DatasetCard:
    """The shipped card on another folder."""
    return load_dataset(["datasets=cityscapes", f"datasets.root={root}"])


def draw(root: Path, count: int = 3, size: tuple[int, int] = (40, 56), seed: int = 0) -> None:
    """Writes val frames of one city: image, label ids and instance ids, in blocks of 4x4."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        blocks = rng.choice(LABEL_IDS, (size[0] // 4, size[1] // 4))
        numbers = rng.integers(0, 4, blocks.shape)
        whole = np.isin(blocks, WITH_INSTANCES) & (rng.random(blocks.shape) < 0.9)
        instances = np.where(whole, 1000 * blocks + numbers, blocks)
        labels, instances = (np.kron(ids, np.ones((4, 4), int)) for ids in (blocks, instances))
        name = f"ulm/ulm_{index:06d}_000019"
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        write(root / f"leftImg8bit/val/{name}_leftImg8bit.png", image)
        write(root / f"gtFine/val/{name}_gtFine_labelIds.png", labels.astype(np.uint8))
        write(root / f"gtFine/val/{name}_gtFine_instanceIds.png", instances.astype(np.uint16))


def corrupted(label_ids: np.ndarray, seed: int, ids: np.ndarray) -> np.ndarray:
    """Label ids shifted a little, with noise on a fifth of the pixels; none but these ids."""
    rng = np.random.default_rng(seed)
    shifted = np.roll(label_ids, (1, -2), (0, 1))
    shifted = np.where(np.isin(shifted, ids), shifted, 0)
    noisy = rng.random(label_ids.shape) < 0.2
    return np.where(noisy, rng.choice(ids, label_ids.shape), shifted).astype(np.uint8)


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
