"""Cells found by several strategies against random ones, all trained alike, with several seeds.

    python -m benchmarks.cell_search cifar10 --root FOLDER --output FILE.json --jobs 2 --threads 1
    python -m benchmarks.cell_search ptb --root FOLDER --output FILE.json --jobs 2 --threads 1

Every search and every training is a run of `search.py` or `train.py` in a process of its own; what
is finished is only read, what broke off goes on. `--full` takes the regimes at their own size.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from squeezenas.core.figures import FIGURES
from squeezenas.core.files import write_atomically
from squeezenas.core.model_card import ModelCard, read_model_card, write_model_card
from squeezenas.core.recipes import load_model
from squeezenas.core.space import make_space

REPOSITORY = Path(__file__).resolve().parents[1]
RANDOM_CELLS = 3
SEEDS = (0, 1, 2)
PROVENANCE = ("date", "python", "platform", "libraries", "cpu", "threads", "cuda", "gpus")

Words = tuple[str, ...]


@dataclass(frozen=True)
class Experiment:
    """What is searched, and how the found cells are trained.

    Args:
        dataset: the card, also the name of the stage.
        figure: of the summary, what networks are compared by.
        searches: words for `search.py` by the name of the search.
        baselines: model cards that are trained too, and words for `train.py` of their own.
        training: words for `train.py`.
        search_size: words that make the searches small.
        training_size: words that make the trainings small.
    """

    dataset: str
    figure: str
    searches: dict[str, Words]
    baselines: dict[str, Words]
    training: Words
    search_size: Words
    training_size: Words


ENAS = ("regime.strategy.name=enas", "regime.strategy.optimiser.weight_decay=0")
CIFAR10 = Experiment(
    dataset="cifar10",
    figure="top1",
    searches={
        "darts_first_order": ("training_regimes=search_darts_cifar10",),
        "darts_second_order": (
            "training_regimes=search_darts_cifar10", "regime.strategy.darts.order=2",
        ),
        "enas": (
            "training_regimes=search_darts_cifar10", *ENAS, "regime.strategy.enas.tanh=1.1",
            "regime.strategy.optimiser.lr=0.0035", "regime.select.candidates=10",
        ),
    },
    baselines={},
    training=("training_regimes=retrain_cells_cifar10",),
    search_size=(
        "regime.scale={cells: 4, channels: 8}", "regime.batch_size=32", "regime.epochs=2",
        "regime.optimiser.lr=0.05", "regime.strategy.optimiser.lr=0.01",
    ),
    training_size=(
        "regime.scale={cells: 5, channels: 16, auxiliary: true}",
        "regime.stages.cifar10.epochs=3", "regime.stages.cifar10.batch_size=64",
        "regime.stages.cifar10.validate_every=3",
    ),
)  # fmt: skip
PTB = Experiment(
    dataset="ptb",
    figure="perplexity",
    searches={
        "darts_first_order": ("training_regimes=search_darts_ptb",),
        "darts_second_order": (
            "training_regimes=search_darts_ptb", "regime.strategy.darts.order=2",
            "regime.steps_per_epoch=25",
        ),
        "enas": (
            "training_regimes=search_darts_ptb", *ENAS, "regime.strategy.enas.tanh=2.5",
            "regime.strategy.optimiser.lr=0.0035", "regime.strategy.enas.samples=4",
            "regime.select.candidates=4",
        ),
    },
    baselines={
        f"lstm_{rate}": ("models.backbone=lstm1_110", f"regime.stages.ptb.optimiser.lr={rate}")
        for rate in (10, 20, 40)
    },
    training=("training_regimes=retrain_ptb",),
    search_size=(
        "regime.scale={hidden: 100}", "regime.batch_size=64", "regime.epochs=3",
        "regime.steps_per_epoch=70",
        "regime.dropout={input: 0.1, cell: 0.1, hidden: 0.05, output: 0.2}",
        "regime.select.images=5000", "regime.strategy.optimiser.lr=0.01",
    ),
    training_size=(
        "regime.scale={hidden: 100}", "regime.stages.ptb.epochs=1",
        "regime.stages.ptb.steps_per_epoch=207", "regime.stages.ptb.optimiser.schedule=cosine",
        "regime.stages.ptb.dropout={input: 0.1, cell: 0.1, hidden: 0.05, output: 0.2}",
        "regime.stages.ptb.validate_every=1",
    ),
)  # fmt: skip
EXPERIMENTS = {"cifar10": CIFAR10, "ptb": PTB}


def run(program: str, folder: Path, words: Sequence[str], options: argparse.Namespace) -> Any:
    """The summary of a run, which is begun, continued or only read."""
    command = [sys.executable, str(REPOSITORY / program), f"threads={options.threads}"]
    if (folder / "config.yaml").is_file():
        command += ["--resume", str(folder)]
    else:
        options.runs.mkdir(parents=True, exist_ok=True)
        command += [f"runs={options.runs}", f"name={folder.name}", *words]
    if not (folder / "summary.json").is_file():
        with (options.runs / f"{folder.name}.log").open("a") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=REPOSITORY)
    return json.loads((folder / "summary.json").read_text())


def search(name: str, experiment: Experiment, options: argparse.Namespace) -> dict[str, Any]:
    """One search: what it found and what that took."""
    folder = options.runs / f"search-{name}"
    size = () if options.full else experiment.search_size
    own = experiment.searches[name]
    given = {word.partition("=")[0] for word in own}
    words = [*own, *(word for word in size if word.partition("=")[0] not in given)]
    summary = run("search.py", folder, [*words, f"datasets.root={options.root}"], options)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    curve = [line[key] for line in lines for key in line if key == f"search/{experiment.figure}"]
    with (folder / "candidates.csv").open() as file:
        candidates = list(csv.DictReader(file))
    chosen = summary["chosen"]
    print(f"{name}: {60 * summary['device_hours']:.1f} minutes", flush=True)
    return {
        "search": name,
        "minutes": 60 * summary["device_hours"],
        "steps": summary["steps"],
        "chosen": chosen,
        "random": summary["random"],
        "supernet_by_epoch": curve,
        "candidates": len(candidates),
        "words": words,
    }


def cards(
    experiment: Experiment, options: argparse.Namespace
) -> dict[str, tuple[ModelCard, Words]]:
    """Everything that is trained: found cells, random cells, baselines."""
    found = {
        name: read_model_card(options.runs / f"search-{name}" / "architecture.yaml")
        for name in experiment.searches
    }
    first = next(iter(found.values()))
    space, rng = make_space(str(first.space), first.scale), random.Random(0)
    trained: dict[str, tuple[ModelCard, Words]] = {name: (card, ()) for name, card in found.items()}
    for number in range(RANDOM_CELLS):
        text = tuple(space.write(space.sample(rng)))
        name = f"random{number}"
        update: dict[str, Any] = {"architecture": text, "name": name, "costs": None, "search": {}}
        trained[name] = first.model_copy(update=update), ()
    for name, words in experiment.baselines.items():
        trained[name] = load_model("baseline_lstm_ptb"), words
    return trained


def train(
    task: tuple[str, int],
    network: tuple[ModelCard, Words],
    experiment: Experiment,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """One training of one network with one seed."""
    (name, seed), (card, own) = task, network
    folder = options.runs / f"{name}-seed{seed}"
    file = options.runs / f"{name}.yaml"
    if not file.is_file():
        write_model_card(file, card)
    size = () if options.full else experiment.training_size
    root = f"datasets.{experiment.dataset}.root={options.root}"
    words = [f"models={file}", *experiment.training, *size, *own, root, f"seed={seed}"]
    summary = run("train.py", folder, words, options)[experiment.dataset]
    costs = read_model_card(folder / "model.yaml").costs
    assert costs is not None
    value = summary["figures"][experiment.figure]
    print(f"{folder.name}: {value:.4f}", flush=True)
    return {
        "network": name,
        "seed": seed,
        "split": summary["split"],
        experiment.figure: value,
        "last_validation": summary["last_validation"],
        "parameters_millions": costs.parameters_millions,
        "gmacs": costs.gmacs,
        "minutes": 60 * summary["device_hours"],
        "architecture": list(card.architecture) or [card.network, *own],
    }


def summarised(rows: list[dict[str, Any]], figure: str) -> dict[str, Any]:
    """Mean and standard deviation of each network over its seeds."""
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row["network"], []).append(row[figure])
    randoms = [value for name, found in values.items() if "random" in name for value in found]
    values["random cells, together"] = randoms
    return {
        name: {
            "mean": mean(found),
            "standard_deviation": stdev(found) if len(found) > 1 else None,
            "trainings": len(found),
        }
        for name, found in values.items()
        if found
    }


def tuned(rows: list[dict[str, Any]], experiment: Experiment) -> str | None:
    """The baseline with the best last validation of the first seed; tests choose nothing."""
    merit = FIGURES[experiment.figure].merit
    validated = {
        row["network"]: merit(row["last_validation"][experiment.figure])
        for row in rows
        if row["network"] in experiment.baselines
    }
    return max(validated, key=validated.__getitem__, default=None)


def main() -> None:
    """Searches, trains and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--runs", type=Path, help="folder of the runs")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--threads", type=int, default=0, help="threads of each")
    parser.add_argument("--full", action="store_true", help="the published sizes; for GPUs")
    options = parser.parse_args()
    options.root = options.root.resolve()
    options.runs = (options.runs or Path(f"runs/cell_search_{options.experiment}")).resolve()
    experiment, begin = EXPERIMENTS[options.experiment], time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        searches = list(pool.map(lambda name: search(name, experiment, options),
                                 experiment.searches))  # fmt: skip
    trained = cards(experiment, options)

    def trainings(tasks: list[tuple[str, int]]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(options.jobs) as pool:
            return list(
                pool.map(lambda task: train(task, trained[task[0]], experiment, options), tasks)
            )

    rows = trainings([(name, SEEDS[0]) for name in trained])
    best = tuned(rows, experiment)
    untuned = set(experiment.baselines) - {best}
    rows += trainings(
        [(name, seed) for seed in SEEDS[1:] for name in trained if name not in untuned]
    )
    size = () if options.full else experiment.training_size
    name = f"{next(iter(trained))}-seed0"
    here = json.loads((options.runs / name / f"1-{experiment.dataset}" / "environment.json")
                      .read_text())[0]  # fmt: skip
    result = {
        "experiment": options.experiment,
        "figure": experiment.figure,
        "summary": summarised(rows, experiment.figure),
        "tuned_baseline": best,
        "searches": searches,
        "trainings": rows,
        "training_words": [*experiment.training, *size],
        "wall_seconds_of_this_call": round(time.monotonic() - begin),
        "environment": {key: here[key] for key in PROVENANCE if key in here},
    }
    write_atomically(options.output, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
