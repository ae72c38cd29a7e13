"""The supernet step against its slow twin: seconds and peak memory of a forward and backward pass.

    python -m benchmarks.supernet_step --output benchmarks/results/supernet_step_cpu.json
    python -m benchmarks.supernet_step --device cuda --output supernet_step_gpu.json

What is compared and how to read it: `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from squeezenas.core.files import write_atomically
from squeezenas.core.reading import read_yaml
from squeezenas.tracking.environment import environment

REPOSITORY = Path(__file__).resolve().parents[1]

Case = dict[str, Any]
Found = dict[str, Any]

VARIANTS = ("twin", "full", "lean")
LARGE = {"space": "squeezenas_large", "head": "lr_aspp"}
SMALL = {"space": "squeezenas_small", "head": "lr_aspp"}
CPU_SIZES: dict[str, Case] = {
    "large 768x768 batch 1": {**LARGE, "crop": [768, 768], "batch": 1},
    "large 256x256 batch 2": {**LARGE, "crop": [256, 256], "batch": 2},
    "small 96x192 batch 8": {**SMALL, "crop": [96, 192], "batch": 8},
}
QUICK_SIZES: dict[str, Case] = {"small 96x128 batch 2": {**SMALL, "crop": [96, 128], "batch": 2}}
PAPER_REGIME = "training_regimes/search_mac_large.yaml"
PAPER_GPU_HOURS = 248  # SqueezeNAS (arXiv:1908.01748), the search for the large networks
TRAINING_FRAMES = 2975  # of Cityscapes; one half for the weights, the other for the architecture


def measure(case: Case, threads: int) -> Found:
    """One measurement in a fresh process."""
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "THP_MEM_ALLOC_ENABLE": "1",
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
    }
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.supernet_case", json.dumps(case)],
        cwd=REPOSITORY,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Found = json.loads(answer.stdout.splitlines()[-1])
    return found


def cpu_size(size: Case, rounds: int, steps: int, threads: int) -> Found:
    """All variants of one size, taking turns, and what ours gain."""
    pairs = [(variant, "weights") for variant in VARIANTS]
    pairs += [(variant, "architecture") for variant in VARIANTS[1:]]
    runs: dict[str, list[Found]] = {f"{variant} {kind}": [] for variant, kind in pairs}
    for _ in range(rounds):
        for variant, kind in pairs:
            case = {**size, "variant": variant, "kind": kind, "steps": steps, "device": "cpu"}
            runs[f"{variant} {kind}"].append(measure(case, threads))
    summary = {name: summarised(found) for name, found in runs.items()}
    twin = summary["twin weights"]
    for name, found in summary.items():
        found["speed"] = twin["seconds_min"] / found["seconds_min"]
        found["speed_median"] = twin["seconds_median"] / found["seconds_median"]
        found["memory"] = found["added_bytes"] / twin["added_bytes"]
        found["memory_absolute"] = found["peak_bytes"] / twin["peak_bytes"]
        found["loss_difference"] = abs(runs[name][0]["loss"] - runs["twin weights"][0]["loss"])
    return {**size, "summary": summary, "runs": runs}


def summarised(runs: Sequence[Found]) -> Found:
    """Seconds and bytes over all processes of one variant."""
    seconds = [one for run in runs for one in run["seconds"]]
    return {
        "seconds_min": min(seconds),
        "seconds_median": median(seconds),
        "added_bytes": median(run["peak_bytes"] - run["built_bytes"] for run in runs),
        "peak_bytes": median(run["peak_bytes"] for run in runs),
    }


def cpu_table(name: str, size: Found) -> str:
    """What a terminal shows of one size."""
    lines = [
        name,
        f"  {'':22}{'min s':>8}{'median s':>10}{'speed':>8}{'added GiB':>11}{'of twin':>9}"
        f"{'peak GiB':>10}{'of twin':>9}",
    ]
    for kind, row in size["summary"].items():
        added, peak = row["added_bytes"] / 2**30, row["peak_bytes"] / 2**30
        lines.append(
            f"  {kind:22}{row['seconds_min']:8.3f}{row['seconds_median']:10.3f}"
            f"{row['speed']:7.2f}x{added:11.2f}{row['memory']:9.0%}"
            f"{peak:10.2f}{row['memory_absolute']:9.0%}"
        )
    return "\n".join(lines)


def gpu_size(size: Case, steps: int, threads: int) -> Found:
    """All variants at the regime's batch and at the largest that each fits; fp16 autocast."""
    regime = read_yaml(REPOSITORY / PAPER_REGIME)
    variants = {}
    for variant in VARIANTS:
        case = {**size, "variant": variant, "steps": steps, "device": "cuda"}
        found = variants[variant] = measure(case, threads)
        for entry in found["measured"]:
            seconds = {kind: median(entry[kind]["seconds"]) for kind in ("weights", "architecture")}
            entry["images_per_second"] = entry["batch"] / seconds["weights"]
            entry["projected_gpu_hours"] = projected_hours(
                seconds, entry["batch"], regime.epochs, regime.warmup_epochs
            )
    twin = variants["twin"]["measured"][-1]
    for found in variants.values():
        last = found["measured"][-1]
        found["speed"] = last["images_per_second"] / twin["images_per_second"]
    return {
        **size,
        "variants": variants,
        "projection": {
            "assumption": "every epoch shows each half of the training frames once: one half to "
            "the weights, after the warm-up the other to the architecture; data loading and "
            "optimisers are free",
            "regime": PAPER_REGIME,
            "epochs": regime.epochs,
            "warmup_epochs": regime.warmup_epochs,
            "training_frames": TRAINING_FRAMES,
            "published_gpu_hours": PAPER_GPU_HOURS,
        },
    }


def projected_hours(seconds: dict[str, float], batch: int, epochs: int, warmup: int) -> float:
    """GPU-hours of a whole search whose steps take so long."""
    steps = TRAINING_FRAMES // 2 // batch
    whole = epochs * seconds["weights"] + (epochs - warmup) * seconds["architecture"]
    return steps * whole / 3600


def gpu_table(name: str, size: Found) -> str:
    """What a terminal shows of one size."""
    lines = [
        name,
        f"  {'':8}{'batch':>7}{'images/s':>10}{'speed':>8}{'peak GiB':>10}{'search GPU-h':>14}",
    ]
    for variant, found in size["variants"].items():
        for entry in found["measured"]:
            largest = entry["batch"] == found["largest_batch"]
            speed = f"{found['speed']:7.2f}x" if largest else ""
            lines.append(
                f"  {variant:8}{entry['batch']:7}{entry['images_per_second']:10.1f}{speed:>8}"
                f"{entry['weights']['peak_bytes'] / 2**30:10.1f}"
                f"{entry['projected_gpu_hours']:14.1f}"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="one tiny size, to try the script")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each variant (CPU)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps in each process")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, help="JSON file for everything measured")
    arguments = parser.parse_args()

    cuda = arguments.device == "cuda"
    sizes = CPU_SIZES
    if cuda:
        sizes = {"large 768x768": {**LARGE, "crop": [768, 768], "batch": 16}}
    if arguments.quick:
        sizes = QUICK_SIZES
    here = environment()
    report: dict[str, Any] = {
        **{key: here[key] for key in ("date", "python", "platform", "libraries", "cpu", "git")},
        "device": arguments.device,
        "threads": arguments.threads,
        "load_at_start": os.getloadavg(),
        "precision": "fp16 autocast" if cuda else "fp32",
        "sizes": {},
    }
    for name, size in sizes.items():
        if cuda:
            found = gpu_size(size, arguments.steps, arguments.threads)
            print(gpu_table(name, found), flush=True)
        else:
            found = cpu_size(size, arguments.rounds, arguments.steps, arguments.threads)
            print(cpu_table(name, found), flush=True)
        report["sizes"][name] = found
        if arguments.output:  # after each size: the long ones come first
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(arguments.output, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
