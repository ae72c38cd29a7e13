"""Retrainings of cells that take seconds: shipped cards and regimes at toy size."""

from __future__ import annotations

from pathlib import Path

from tests.tiny_data import cifar, treebank


def _common(folder: Path, stage: str, data: Path, more: tuple[str, ...]) -> list[str]:
    own = [f"regime.stages.{stage}{word}" if word[0] == "." else word for word in more]
    return [
        f"datasets.{stage}.root={data}",
        f"runs={folder}/runs",
        "name=toy",
        "device=cpu",
        f"regime.stages.{stage}.precision=fp32",
        *own,
    ]


def images(folder: Path, *more: str) -> list[str]:
    """Words of two epochs of two steps; those of `more` that begin with a dot are of the stage.

    The first reduction has 16 channels: with fewer oneDNN (of torch 2.13) writes past its buffers.
    """
    size = ["regime.scale={cells: 3, channels: 8, auxiliary: true}", ".batch_size=4"]
    length = [".epochs=2", ".steps_per_epoch=2", ".validate_every=1"]
    return [
        "models=darts_v2_cifar10",
        "training_regimes=retrain_cells_cifar10",
        *_common(folder, "cifar10", cifar(folder / "cifar"), (*size, *length, *more)),
    ]


def text(folder: Path, *more: str) -> list[str]:
    """Words of four epochs of three steps, of which twelve read the text once."""
    size = ["regime.scale={hidden: 8}", ".batch_size=4", ".bptt=12", ".optimiser.lr=5"]
    return [
        "models=darts_rnn_ptb",
        "training_regimes=retrain_ptb",
        *_common(
            folder, "ptb", treebank(folder / "treebank"),
            (*size, ".epochs=4", ".steps_per_epoch=3", *more),
        ),
    ]  # fmt: skip
