"""Resident memory of long runs: does a loop keep what it should let go?

    python -m benchmarks.memory_of_search --output benchmarks/results/memory_of_search_cpu.json

A one-shot search and a training of tiny networks on generated frames, over 2,000 steps in ten
epochs, and an ask/tell search of 2,000 evaluations of a generated table, whose trials are in a
journal. Each runs in a process of its own with one thread and one malloc arena. The slope is that
of least squares over what follows the warm-up, with its standard error; an ask/tell search keeps
every trial, so its slope is the size of a thousand trials.
"""

from __future__ import annotations

import argparse
import csv
import gc
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from scipy.stats import linregress

from squeezenas.ask_tell.setup import build as build_ask_tell
from squeezenas.ask_tell.setup import join
from squeezenas.core.files import write_atomically
from squeezenas.core.recipes import load_search
from squeezenas.core.space import spaces
from squeezenas.engine.distributed import Process
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.setup import build as build_search
from squeezenas.tracking.environment import environment
from squeezenas.tracking.run import Run
from squeezenas.training.fit import Fit
from tests.search import toy as toy_search
from tests.training import toy as toy_training

EPOCHS = 10
EVERY = 20
"""Steps between two measurements."""
WARMUP = 0.25
"""Share of the steps in which caches fill."""
PAGES_PER_MIB = 2**20 / resource.getpagesize()

Look = Callable[[int], None]

TABLE = """
name: generated
title: A generated table
licence: none
how_to_get: written by the benchmark
task: table
space: tabular
layout: rows
root: {root}
file: rows.csv
scale: {{choices: {{first: [], second: [], third: [], fourth: []}}}}
figures: {{accuracy: {{column: accuracy, label: accuracy, divide_by: 100}}}}
costs: {{ms: {{column: ms, unit: ms}}}}
"""


class FourUnits(toy_search.ToySpace):
    """The toy space of the tests with three options of thirteen, for the sake of time."""

    name = "four_units"

    def options(self, c_in: int, c_out: int, stride: int) -> tuple[str, ...]:
        """Narrow, wide and none."""
        return "k3_e1_g1", "k3_e3_g1", "skip"


class WatchedRun(Run):
    """A run that has its memory measured after each step."""

    look: Look

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs, then looks."""
        super().log(metrics, step)
        self.look(step)


def one_shot(folder: Path, steps: int, look: Look) -> None:
    """A search for multiply-accumulates, of which the first epoch is warm-up."""
    if FourUnits.name not in spaces.names():
        spaces.register(FourUnits.name)(FourUnits)
    keys = [f"epochs={EPOCHS}", f"steps_per_epoch={steps // EPOCHS}", f"space={FourUnits.name}"]
    config = toy_search.config(folder, *(f"regime.{key}" for key in keys))
    searching = OneShotSearch(build_search(config, _alone(), folder))
    with _run(folder, steps, look) as run:
        searching.run(run)


def training(folder: Path, steps: int, look: Look) -> None:
    """A stage of retraining, validated after every epoch."""
    keys = [f".epochs={EPOCHS}", f".steps_per_epoch={steps // EPOCHS}", ".validate_every=1"]
    fit = Fit(toy_training.parts(toy_training.config(folder, *keys), _alone()))
    with _run(folder, steps, look) as run:
        fit.run(run)


def ask_tell(folder: Path, steps: int, look: Look) -> None:
    """Aging evolution on a table of ten thousand rows."""
    words = [f"datasets={_table(folder)}", f"runs={folder}", "name=run", f"regime.trials={steps}"]
    config = load_search(["training_regimes=search_aging_evolution", *words])
    searching = join(build_ask_tell(config, _alone()), folder)
    heard = itertools.count(1)
    with closing(searching.trials):
        searching.run(lambda record: look(next(heard)))


CASES = {"one_shot": one_shot, "training": training, "ask_tell": ask_tell}


def _alone() -> Process:
    return Process(0, 1, torch.device("cpu"))


def _run(folder: Path, steps: int, look: Look) -> WatchedRun:
    run = WatchedRun.create(folder / "run", {}, steps=steps)
    assert isinstance(run, WatchedRun)
    run.look = look
    return run


def _table(folder: Path) -> Path:
    """The card of a table with one row for each of 10^4 architectures."""
    rng, options = random.Random(0), range(10)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["first", "second", "third", "fourth", "accuracy", "ms"])
        for picks in itertools.product(options, repeat=4):
            names = [f"option{pick}" for pick in picks]
            writer.writerow([*names, 50 + sum(picks) + rng.random(), 1 + sum(picks)])
    path = folder / "generated.yaml"
    path.write_text(TABLE.format(root=folder))
    return path


def resident() -> float:
    """Resident memory of this process in MiB, after a collection of garbage."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) / PAGES_PER_MIB


def measure(case: str, steps: int) -> dict[str, list[float]]:
    """Runs a case in this process.

    Returns:
        Steps and resident MiB after each of them.
    """
    torch.set_num_threads(1)
    found: dict[str, list[float]] = {"steps": [], "mib": []}

    def look(step: int) -> None:
        if step % EVERY == 0:
            found["steps"].append(step)
            found["mib"].append(round(resident(), 3))

    with tempfile.TemporaryDirectory() as folder:
        CASES[case](Path(folder), steps, look)
    return found


def measured_apart(case: str, steps: int) -> dict[str, Any]:
    """The same in a process of its own, and the slope."""
    command = [sys.executable, "-m", "benchmarks.memory_of_search", "--case", case]
    command += ["--steps", str(steps)]
    settings = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    ran = subprocess.run(
        command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    settled = [place for place, step in enumerate(found["steps"]) if step > WARMUP * steps]
    fitted = linregress(
        [found["steps"][place] / 1000 for place in settled],
        [found["mib"][place] for place in settled],
    )
    return {
        "case": case,
        "mib_per_1000_steps": round(fitted.slope, 3),
        "standard_error": round(fitted.stderr, 3),
        "mib_at_first": found["mib"][0],
        "mib_at_last": found["mib"][-1],
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000, help=f"a multiple of {EPOCHS}")
    parser.add_argument("--case", choices=CASES, help="measure this one here, print what was read")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(options.case, options.steps)))
        return
    where = {key: value for key, value in environment().items() if key != "command"}
    results: list[dict[str, Any]] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(lambda case: measured_apart(case, options.steps), CASES):
            results.append(row)
            slope, error = row["mib_per_1000_steps"], row["standard_error"]
            print(f"{row['case']:9}{slope:8.3f} +- {error:.3f} MiB/1000", flush=True)
            if options.output:
                content = {"environment": where, "warmup": WARMUP, "results": results}
                write_atomically(options.output, json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
