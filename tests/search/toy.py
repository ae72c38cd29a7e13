"""Searches that take seconds: a space of four units, frames of 64x128, the words to type."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from squeezenas.core.dataset_card import Generate
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.space import spaces
from squeezenas.data.street_scenes.write import street_scenes_folder
from squeezenas.nn.segmentation_network import Macro
from squeezenas.spaces.squeezenas import SqueezeNASSpace

GENERATE = Generate(height=64, width=128, train=12, val=4)


@spaces.register("toy")
class ToySpace(SqueezeNASSpace):
    """Four units; a skip halves, halves, does nothing and does nothing.

    With fewer than 16 channels oneDNN (of torch 2.13) writes past its buffers at stride 2.
    """

    name = "toy"
    published = Macro(
        stem=16,
        blocks=((16, 1, 2), (24, 1, 2), (24, 2, 1)),
        last=None,
        low={"lr_aspp": 0, "deeplabv3plus": 0},
        middle=16,
    )


@functools.cache
def streets() -> Path:
    """A folder with generated frames that all tests of a process share."""
    folder = Path(tempfile.mkdtemp(prefix="streets-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    street_scenes_folder(folder, GENERATE)
    return folder


def arguments(folder: Path, *more: str) -> list[str]:
    """Words of the command line of a tiny search: six steps, two of them warm-up."""
    return [
        f"runs={folder}/runs",
        "name=toy",
        f"datasets.root={streets()}",
        "datasets.generate={height: 64, width: 128, train: 12, val: 4}",
        "regime.space=toy",
        "regime.epochs=3",
        "regime.warmup_epochs=1",
        "regime.steps_per_epoch=2",
        "regime.batch_size=2",
        "regime.crop=[32,64]",
        "regime.precision=fp32",
        "regime.cost.resolution=[64,128]",
        "regime.cost.target=0.004",
        "regime.select={candidates: 3, random: 2, recalibration_batches: 1, held_out: 0.3}",
        "device=cpu",
        *more,
    ]


def config(folder: Path, *more: str) -> SearchConfig:
    """The same, validated."""
    from squeezenas.core.recipes import load_search

    return load_search(arguments(folder, *more))
