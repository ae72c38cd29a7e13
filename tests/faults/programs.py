"""The runs that faults are injected into: toy searches and retrainings, and what they leave."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cli.test_ask_tell import small_table
from tests.search import cells
from tests.search import toy as streets
from tests.training import toy as training

SEARCHED = ("metrics.jsonl", "architecture.yaml", "candidates.csv", "probabilities.json")
STAGE = "1-street_scenes"


@dataclass(frozen=True)
class Program:
    """A command and what is compared of its run folder.

    Args:
        command: `search` or `train`.
        words: from a folder to the command line that begins a run in `runs/toy` within it.
        files: which have the same bytes whenever the run is the same.
    """

    command: str
    words: Callable[[Path], list[str]]
    files: tuple[str, ...] = ()


def _ask_tell(folder: Path) -> list[str]:
    return [
        "training_regimes=search_aging_evolution", f"datasets={small_table(folder)}",
        f"runs={folder}/runs", "name=toy", "regime.trials=20", "regime.strategy.population=6",
        "regime.strategy.sample=3",
    ]  # fmt: skip


PROGRAMS = {
    "text": Program(
        "search",
        lambda folder: cells.text(folder, "search_enas_ptb", "checkpoint_minutes=0"),
        SEARCHED,
    ),
    "frames": Program(
        "search",
        lambda folder: streets.arguments(
            folder, "checkpoint_minutes=0", "regime.select.random=1", "regime.select.candidates=1"
        ),
        SEARCHED,
    ),
    "retraining": Program(
        "train",
        lambda folder: training.arguments(folder, "checkpoint_minutes=0", "cache=off", ".ema=0.9"),
        tuple(
            f"{STAGE}/{name}"
            for name in (
                "metrics.jsonl", "weights.safetensors", "best.safetensors", "classes.csv",
            )
        ),
    ),
    "ask_tell": Program("search", _ask_tell),
}  # fmt: skip


def begin_or_resume(name: str, folder: Path, *more: str) -> list[str]:
    """The command line that begins a run in a folder, or continues it where it has begun."""
    program, run = PROGRAMS[name], folder / "runs" / "toy"
    if (run / "config.yaml").is_file():
        return [program.command, "--resume", str(run), *more]
    folder.mkdir(parents=True, exist_ok=True)
    return [program.command, *program.words(folder), *more]


def left(name: str, run: Path) -> dict[str, object]:
    """What a finished run left that must be the same, by file."""
    found: dict[str, object] = {file: (run / file).read_bytes() for file in PROGRAMS[name].files}
    if name == "ask_tell":
        kept = ("accuracy", "cost", "error", "architecture")
        with (run / "trials.csv").open(newline="") as file:
            found["trials.csv"] = [[row[key] for key in kept] for row in csv.DictReader(file)]
    return found
