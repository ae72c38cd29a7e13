"""Searches of cells that take seconds: the shipped regimes at toy size, the words to type."""

from __future__ import annotations

from pathlib import Path

from tests.tiny_data import cifar, treebank


def _common(folder: Path, regime: str, data: Path) -> list[str]:
    return [
        f"training_regimes={regime}",
        f"datasets.root={data}",
        f"runs={folder}/runs",
        "name=toy",
        "device=cpu",
        "regime.precision=fp32",
        "regime.select.protocol=clean",
        "regime.select.held_out=0.2",
        "regime.select.candidates=0",
        "regime.select.random=0",
        "regime.select.recalibration_batches=1",
    ]


def images(folder: Path, regime: str, *more: str) -> list[str]:
    """Words of a search of convolutional cells: one epoch of two steps.

    The first reduction has 16 channels: with fewer oneDNN (of torch 2.13) writes past its buffers.
    """
    return [
        *_common(folder, regime, cifar(folder / "cifar")),
        "regime.scale={cells: 3, channels: 8}",
        "regime.batch_size=2",
        "regime.epochs=1",
        "regime.steps_per_epoch=2",
        "regime.select.images=4",
        *more,
    ]


def text(folder: Path, regime: str, *more: str) -> list[str]:
    """Words of a search of recurrent cells: two epochs of three steps, a text of four segments."""
    return [
        *_common(folder, regime, treebank(folder / "treebank")),
        "regime.scale={hidden: 8, nodes: 3}",
        "regime.batch_size=4",
        "regime.bptt=12",
        "regime.epochs=2",
        "regime.steps_per_epoch=3",
        "regime.optimiser.lr=2",
        "regime.select.images=0",
        *more,
    ]
