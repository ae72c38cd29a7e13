"""Program: the four stages left alone, and the same killed in the middle of each of them.

Run folders `alone/runs/paper` and `killed/runs/paper` go to the given folder; the second argument
is the folder of real data. `deaths.json` says when the killed one died.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from squeezenas.cli import stage_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import Costs
from squeezenas.tracking.run import Run
from tests.search.forks import fork
from tests.training import toy
from tests.training.toy import ready


def die() -> None:
    """As the kernel or a batch system ends a process: nothing is flushed or tidied up."""
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def at_checkpoint(stage: str, number: int, written: bool) -> None:
    """Dies before or after the given checkpoint of a stage, counted from the process's start."""
    counts: dict[str, int] = {}
    whole = Run.checkpoint

    def checkpoint(run: Run, *arguments: object) -> None:
        counts[run.folder.name] = counts.get(run.folder.name, 0) + 1
        now = (run.folder.name, counts[run.folder.name]) == (stage, number)
        if now and not written:
            die()
        whole(run, *arguments)
        if now:
            die()

    Run.checkpoint = checkpoint


def between_renames(stage: str) -> None:
    """Dies when `last.pt` has become `previous.pt` and there is no new one."""
    whole = os.replace

    def replace(source: Path, target: Path) -> None:
        whole(source, target)
        if Path(target).name == "previous.pt" and stage in Path(target).parts:
            die()

    os.replace = replace


def at_the_end(stage: str) -> None:
    """Dies when the weights of a stage are written and its card is not."""
    whole = stage_outcome.write_model_card

    def write(path: Path, card: object) -> None:
        if path.parent.name == stage:
            die()
        whole(path, card)

    stage_outcome.write_model_card = write


DEATHS: dict[str, Callable[[], None]] = {
    "after the first checkpoint of 1": lambda: at_checkpoint("1-imagenet", 1, written=True),
    "before the second checkpoint of 2": lambda: at_checkpoint("2-coco", 2, written=False),
    "between two renames of 3": lambda: between_renames("3-cityscapes_coarse"),
    "after the third checkpoint of 4": lambda: at_checkpoint("4-cityscapes", 3, written=True),
    "at the end of 4": lambda: at_the_end("4-cityscapes"),
    "before the card of the whole": lambda: at_the_end("paper"),
}


def train(folder: Path, words: list[str], before: Callable[[], None] = lambda: None) -> int:
    """Starts the training, or resumes it where there is a run folder; gives the exit code."""
    run = folder / "runs" / "paper"
    arguments = ["--resume", str(run)] if run.is_dir() else words

    def job() -> int:
        before()
        return main(["train", *arguments])

    return os.waitstatus_to_exitcode(os.waitpid(fork(job), 0)[1])


if __name__ == "__main__":
    ready()
    # Pictures and timings take most of the time of so short a training and change nothing else.
    stage_outcome._draw = lambda *_: None
    stage_outcome._costs = lambda _: Costs(resolution=(64, 64))
    alone, killed = (Path(sys.argv[1]) / name for name in ("alone", "killed"))
    data = Path(sys.argv[2])
    assert train(alone, toy.four_stages(alone, data)) == 0
    words = toy.four_stages(killed, data, "checkpoint_minutes=0")
    died = {name: train(killed, words, before) for name, before in DEATHS.items()}
    (killed / "deaths.json").write_text(json.dumps(died))
    assert train(killed, words) == 0
