"""Program: the same evaluation in one process and in two; figures go to the given folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from squeezenas.data.frames import frames
from squeezenas.engine.distributed import start
from squeezenas.training.evaluation import evaluate
from tests.search.forks import joined
from tests.training.cityscapes_folder import cityscapes_card, draw
from tests.training.pixel_network import PixelNetwork


def figures(folder: Path) -> None:
    """Evaluates five frames and writes what this process found."""
    process = start("cpu")
    card = cityscapes_card(folder / "data")
    world = process.world_size
    found = evaluate(
        PixelNetwork(19), frames(card, "val"), card, process, flip=True,
        predictions=folder / f"predictions-{world}",
    )  # fmt: skip
    rows = {"figures": found.figures(), "counts": found.confusion.counts.tolist()}
    (folder / f"{world}-{process.rank}.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    import torch._dynamo  # once here rather than in every child

    torch.set_num_threads(1)
    draw(Path(sys.argv[1]) / "data", count=5)
    for world_size in (1, 2):
        joined(lambda: figures(Path(sys.argv[1])), world_size)
