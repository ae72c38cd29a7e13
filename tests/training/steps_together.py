"""Program: the same steps of a stage in one process and in two; states go to the given folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from squeezenas.core.recipes import load_retraining
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.engine.distributed import start
from squeezenas.training.fit import Fit
from squeezenas.training.stage import StageParts
from squeezenas.training.validation import validate
from tests.search.forks import joined
from tests.training import toy

STEPS = 2
WEIGHTS = [round(0.5 + 0.1 * index, 1) for index in range(19)]
PLAIN = [".optimiser.clip=0", ".optimiser.lr=0.05", ".optimiser.name=sgd", ".ema=0.9"]
PHOTOS = "{name: photos, title: Photos, task: classification, layout: image_folders, licence: none"


def without_dropout(parts: StageParts) -> None:
    """Each process draws its own, so that is not the same in one process and in two."""
    parts.network.head.dropout = 0.0


def without_norms(parts: StageParts) -> None:
    """A batch norm sees a part of a batch at a time, everything else is a sum over images."""
    without_dropout(parts)
    for module in list(parts.network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())


Case = tuple[Callable[[Path], list[str]], Callable[[StageParts], None]]


def photos(folder: Path) -> list[str]:
    """Words that make the stage classify generated images of three classes."""
    root = folder / "photos"
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 1)):
        for number in range(3):
            place = root / split / f"n{number}"
            place.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                image = rng.integers(60 * number, 60 * number + 120, (40, 50, 3), np.uint8)
                cv2.imwrite(str(place / f"{index}.png"), image)
    card = folder / "photos.yaml"
    splits = "splits: {train: [train], val: [val]}, how_to_get: draw it"
    card.write_text(f"{PHOTOS}, root: {root}, {splits}}}\n")
    return [f".dataset={card}"]


CASES: dict[str, Case] = {
    "classification": (photos, without_dropout),
    # Small images leave borders without labels, larger ones do not: unequal shares.
    "segmentation": (lambda _: [".augmentation.scale=[0.3,1]"], lambda _: None),
    "ohem": (
        lambda _: [
            ".augmentation.scale=[0.3,1]",
            f".loss={{kind: ohem, class_weights: {WEIGHTS}, ohem_threshold: 0.05, ohem_kept: 0.3, "
            "label_smoothing: 0.1}",
        ],
        lambda _: None,
    ),
    "whole": (photos, without_norms),
    "in_parts": (lambda folder: [*photos(folder), ".accumulation=2"], without_norms),
}


def config_of(folder: Path, case: str) -> RetrainConfig:
    """The configuration of a case."""
    own = CASES[case][0](folder)
    words = toy.arguments(folder, *PLAIN, *own)
    if ".dataset=" in own[0]:  # another card, to which the root of the streets does not belong
        words = [word for word in words if not word.startswith("datasets.")]
    return load_retraining(words)


def steps(folder: Path, case: str) -> None:
    """Some steps, and the figures of the network that comes of them."""
    process = start("cpu")
    parts = toy.parts(config_of(folder, case), process)
    CASES[case][1](parts)
    fit = Fit(parts)
    batches = parts.stream.batches()
    metrics: list[dict[str, Any]] = []
    for _ in range(STEPS):
        metrics.append(fit.learn(next(batches)))
        fit.step += 1
    figures = validate(fit.network, parts, parts.data.validation)
    state = fit.state_dict()  # joins the counts, so every process takes part
    if process.main:
        name = f"{case}-{process.world_size}.pt"
        torch.save({**state, "metrics": metrics, "figures": figures}, folder / name)


if __name__ == "__main__":
    toy.ready()
    folder = Path(sys.argv[1])
    for case in CASES:
        config_of(folder, case)  # writes what it needs, once
        for world_size in (1, 2):
            joined(lambda case=case: steps(folder, case), world_size)
