"""Program: the same steps of a search in one process and in two; states go to the given folder."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from squeezenas.engine.distributed import start
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from squeezenas.search.setup import build
from tests.search.forks import joined, ready
from tests.search.toy import config

CASES = {
    "soft": [],
    "hard": ["regime.strategy.sampling=hard"],
    "lean": ["regime.memory=lean"],
}
STEPS = 2


def steps(folder: Path, case: str) -> None:
    """Some steps of both kinds, then the score of the chosen network."""
    keys = ["regime.batch_size=4", "regime.optimiser.clip=0.5", "regime.augmentation.scale=[0.3,1]"]
    process = start("cpu")
    parts = build(config(folder, *keys, *CASES[case]), process, folder)
    searching = OneShotSearch(parts)
    weight_batches, architecture_batches = (stream.batches() for stream in parts.streams)
    metrics = []
    for _ in range(STEPS):
        batch = next(weight_batches)
        step = searching.architecture_step(next(architecture_batches), batch)
        metrics.append(searching.learn_architecture(step))
        metrics.append(searching.learn_weights(batch, held_out=True))
        searching.step += 1
    result = parts.strategy.result()
    miou = InheritedWeights(parts).figure(result, "report")
    state = searching.state_dict()  # joins the confusion matrices, so every process takes part
    if process.main:
        name = f"{case}-{process.world_size}.pt"
        torch.save({**state, "metrics": metrics, "miou": miou}, folder / name)


if __name__ == "__main__":
    ready()
    for case in CASES:
        for world_size in (1, 2):
            if (case, world_size) != ("lean", 1):  # it recomputes what `soft` keeps
                joined(lambda case=case: steps(Path(sys.argv[1]), case), world_size)
