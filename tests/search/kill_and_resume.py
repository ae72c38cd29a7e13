"""Program: a search that is left alone, and the same search killed ten times at random moments.

Run folders `alone/toy` and `killed/toy` go to the given folder.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from squeezenas.cli import outcome
from squeezenas.cli.main import main
from tests.search import toy
from tests.search.forks import fork, ready

KILLS = 10


def search(folder: Path, *more: str) -> int:
    """Starts the search, or resumes it where there is a run folder; gives the child's id."""
    run = folder / "toy"
    words = ["regime.epochs=6", f"runs={folder}", *more]
    arguments = [*toy.arguments(folder, *words)]
    if run.is_dir():
        arguments = ["--resume", str(run), *more]
    return fork(lambda: main(["search", *arguments]))


def finish(child: int) -> None:
    """Waits for the end of a search that nobody kills."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, code


def steps(folder: Path) -> int:
    """Steps that the metrics of a run tell of."""
    metrics = folder / "toy" / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.exists() else 0


if __name__ == "__main__":
    ready()
    # Pictures take most of the time of so short a search, and nothing depends on them.
    outcome._draw = lambda *_: None
    outcome.draw_overlays = lambda *_: None
    alone, killed = (Path(sys.argv[1]) / name for name in ("alone", "killed"))

    begin = time.monotonic()
    child = search(alone)
    while not steps(alone):
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the search ended too early"
        time.sleep(0.02)
    start = time.monotonic() - begin
    finish(child)
    whole = time.monotonic() - begin

    rng = random.Random(int(sys.argv[2]))
    for _ in range(KILLS):
        child = search(killed, "checkpoint_minutes=0")
        time.sleep(rng.uniform(0.5 * start, start + 0.4 * (whole - start)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("killed after step", steps(killed))
    finish(search(killed))
