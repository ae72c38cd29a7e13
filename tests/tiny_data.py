"""Data sets that take milliseconds: generated images in CIFAR's batches, generated words."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np

BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
SPLITS = {"train": 600, "valid": 121, "test": 97}
VOCABULARY = [f"word{number}" for number in range(12)]


def write_batch(path: Path, labels: list[int], seed: int = 0) -> None:
    """A batch as released: images whose brightness tells their class, and their labels."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 100, (len(labels), 3072))
    pixels = (noise + 15 * np.array(labels)[:, None]).astype(np.uint8)
    path.write_bytes(pickle.dumps({"data": pixels, "labels": labels}, protocol=2))


def cifar(root: Path) -> Path:
    """CIFAR-10 of sixty images, one of each class a batch, and where it is."""
    root.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(BATCHES):
        write_batch(root / name, list(range(10)), seed)
    return root


def write_text(path: Path, words: int, seed: int = 0) -> None:
    """Lines of seven words, each of which often follows the one before in the vocabulary."""
    rng, word, lines = random.Random(seed), 0, []
    for _ in range(words // 8):  # the end of a line is a word too
        line = []
        for _ in range(7):
            word = (word + 1) % len(VOCABULARY) if rng.random() < 0.7 else rng.randrange(12)
            line.append(VOCABULARY[word])
        lines.append(" ".join(line))
    path.write_text("\n".join(lines) + "\n")


def treebank(root: Path) -> Path:
    """A text in the files of the Penn Treebank, and where it is."""
    root.mkdir(parents=True, exist_ok=True)
    for seed, (name, words) in enumerate(SPLITS.items()):
        write_text(root / f"ptb.{name}.txt", words, seed)
    return root
