"""The step of the DARTS search network against a plain one: seconds and peak memory, on the CPU.

    python -m benchmarks.cell_step --output benchmarks/results/cell_step_cpu.json

A step is one forward and backward pass of 8 cells, C = 16, one path for all images, with the
gradients of all weights and of the path. The twin is `tests/nn/plain_cells.py`, whose equality with
ours the tests assert in float64: every operation by itself, PyTorch's own layers, in NCHW as the
official code has it (`twin`) and in channels last (`twin channels last`). Each variant runs in a
fresh process, the variants taking turns; weights, images and path come from the same seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path as FilePath
from typing import Any

import torch

from benchmarks.supernet_case import status_bytes, step_of, timed
from benchmarks.supernet_step import Case, Found, summarised
from squeezenas.core.files import write_atomically
from squeezenas.core.space import make_space
from squeezenas.nn.memory_format import channels_last
from squeezenas.nn.path import Path
from squeezenas.tracking.environment import environment
from tests.nn.plain_cells import PlainSearchNetwork

REPOSITORY = FilePath(__file__).resolve().parents[1]
TWIN, FAST_TWIN, OURS = "twin", "twin channels last", "ours"
VARIANTS = (TWIN, FAST_TWIN, OURS)
CELLS, CHANNELS, CLASSES, SIDE = 8, 16, 10, 32


def on_cpu(case: Case) -> Found:
    """Seconds and memory of one variant, in this process."""
    space = make_space("darts_cell", {"cells": CELLS, "channels": CHANNELS})
    torch.manual_seed(0)
    network = space.supernet(CLASSES, "classifier")
    if case["variant"] != OURS:
        twin = PlainSearchNetwork(CELLS, CHANNELS, CLASSES)
        twin.load_state_dict(network.state_dict())
        network = twin
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(case["batch"], 3, SIDE, SIDE, generator=draw)
    if case["variant"] != TWIN:
        network, images = channels_last(network), images.to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (case["batch"],), generator=draw)
    scores = {choice.key: torch.randn(8, 1, generator=draw) for choice in space.choices}
    path = Path({key: torch.softmax(row, 0).requires_grad_() for key, row in scores.items()})
    step = step_of(network.train(), images, labels, path)
    FilePath("/proc/self/clear_refs").write_text("5")  # the high-water mark of building
    built = status_bytes("VmRSS")
    loss = step()
    return {
        "loss": loss,
        "seconds": timed(step, case["steps"]),
        "built_bytes": built,
        "peak_bytes": status_bytes("VmHWM"),
        "threads": torch.get_num_threads(),
    }


def measure(case: Case, threads: int) -> Found:
    """One measurement in a fresh process."""
    settings = {"OMP_NUM_THREADS": str(threads), "THP_MEM_ALLOC_ENABLE": "1"}
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.cell_step", "--case", json.dumps(case)],
        cwd=REPOSITORY,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Found = json.loads(answer.stdout.splitlines()[-1])
    return found


def compared(batch: int, rounds: int, steps: int, threads: int) -> Found:
    """All variants at one batch, taking turns, and what ours gains over each twin."""
    runs: dict[str, list[Found]] = {variant: [] for variant in VARIANTS}
    for _ in range(rounds):
        for variant in VARIANTS:
            case = {"variant": variant, "batch": batch, "steps": steps}
            runs[variant].append(measure(case, threads))
    summary = {variant: summarised(found) for variant, found in runs.items()}
    ours = summary[OURS]
    for variant, found in summary.items():
        found["slower_than_ours"] = found["seconds_min"] / ours["seconds_min"]
        found["slower_than_ours_median"] = found["seconds_median"] / ours["seconds_median"]
        found["loss_difference"] = abs(runs[variant][0]["loss"] - runs[OURS][0]["loss"])
    return {"batch": batch, "summary": summary, "runs": runs}


def table(batch: int, found: Found) -> str:
    """What a terminal shows of one batch."""
    lines = [f"batch {batch:<18}{'min s':>8}{'median s':>10}{'to ours':>9}{'added GiB':>11}"]
    for variant, row in found["summary"].items():
        lines.append(
            f"  {variant:22}{row['seconds_min']:8.3f}{row['seconds_median']:10.3f}"
            f"{row['slower_than_ours']:8.2f}x{row['added_bytes'] / 2**30:11.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each variant")
    parser.add_argument("--steps", type=int, default=3, help="timed steps in each process")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=FilePath, help="JSON file for everything measured")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(on_cpu(json.loads(arguments.case))))
        return

    here = environment()
    report: dict[str, Any] = {
        **{key: here[key] for key in ("date", "python", "platform", "libraries", "cpu", "git")},
        "threads": arguments.threads,
        "load_at_start": os.getloadavg(),
        "network": {"cells": CELLS, "channels": CHANNELS, "side": SIDE},
        "batches": [],
    }
    for batch in arguments.batches:
        found = compared(batch, arguments.rounds, arguments.steps, arguments.threads)
        print(table(batch, found), flush=True)
        report["batches"].append(found)
        if arguments.output:
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(arguments.output, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
