"""Program: steps of cell searches in one process and in two, and a search that is killed.

States go to the given folder, and the run folders `alone/runs/toy` and `killed/runs/toy`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from squeezenas.cli import outcome
from squeezenas.cli.main import main
from squeezenas.core.recipes import load_search
from squeezenas.core.search_config import SearchConfig
from squeezenas.engine.distributed import start
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from squeezenas.search.setup import build
from squeezenas.tasks.task import Inputs
from tests.search import cells
from tests.search.forks import fork, joined

SECOND_ORDER = ("regime.strategy.darts.order=2", "regime.bptt=6")
# Each process draws dropout of its own, so that is not the same in one process and in two.
NOTHING_DROPPED = "regime.dropout={input: 0, cell: 0, hidden: 0, output: 0}"
CASES = {
    "darts_cell": (cells.images, "search_darts_cifar10"),
    "darts_rnn": (cells.text, "search_darts_ptb", *SECOND_ORDER, NOTHING_DROPPED),
    "enas_rnn": (cells.text, "search_enas_ptb", NOTHING_DROPPED),
}
STEPS = {cells.images: 1, cells.text: 2}


def config_of(folder: Path, case: str) -> SearchConfig:
    """The configuration of a case."""
    words, *more = CASES[case]
    return load_search(words(folder, *more))


def steps(folder: Path, case: str) -> None:
    """Some steps of both kinds and the end of an epoch, then the score of the chosen network.

    The steps are in float64: kinks and ties would make much of how float32 is rounded.
    """
    process = start("cpu")
    parts = build(config_of(folder, case), process, folder)
    prepare = parts.task.prepare

    def precisely(images: Tensor, labels: Tensor) -> Inputs:
        inputs = prepare(images, labels)
        wide = inputs.images.double() if inputs.images.is_floating_point() else inputs.images
        return Inputs(wide, inputs.labels)

    parts.supernet.double()
    parts.task.prepare = precisely
    searching = OneShotSearch(parts)
    weight_batches, architecture_batches = (stream.batches() for stream in parts.streams)
    metrics = []
    for _ in range(STEPS[CASES[case][0]]):
        batch = next(weight_batches)
        step = searching.architecture_step(next(architecture_batches), batch)
        metrics.append(searching.learn_architecture(step))
        metrics.append(searching.learn_weights(batch, held_out=True))
        searching.step += 1
    metrics.append(searching._end_epoch(step))
    parts.task.prepare = prepare
    figure = InheritedWeights(parts).figure(parts.strategy.result(), "report")
    state = searching.state_dict()
    if process.main:
        name = f"{case}-{process.world_size}.pt"
        torch.save({**state, "metrics": metrics, "figure": figure}, folder / name)


def search(folder: Path) -> int:
    """Starts a search of a text, or resumes it where there is a folder; gives the child's id."""
    words = cells.text(folder, "search_enas_ptb", "regime.epochs=6", "checkpoint_minutes=0")
    run = folder / "runs" / "toy"
    if run.is_dir():
        words = ["--resume", str(run)]
    return fork(lambda: main(["search", *words]))


def finish(child: int) -> None:
    """Waits for the end of a search that nobody kills."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, code


def kill(folder: Path, child: int, step: int) -> None:
    """Kills a search that has come to a step."""
    metrics = folder / "runs" / "toy" / "metrics.jsonl"
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < step:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the search ended too early"
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    import torch._dynamo  # once, not in every child

    torch.set_num_threads(1)
    outcome.draw_search = lambda *_: None
    folder = Path(sys.argv[1])
    for case in CASES:
        config_of(folder, case)  # writes its data, once
        for world_size in (1, 2):
            joined(lambda case=case: steps(folder, case), world_size)
    alone, killed = folder / "alone", folder / "killed"
    finish(search(alone))
    for step in (2, 8, 13):
        kill(killed, search(killed), step)
    finish(search(killed))
