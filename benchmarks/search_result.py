"""Runs a search for each seed and keeps its result: configuration, candidates, baseline, wall time.

    python benchmarks/search_result.py --output benchmarks/results/street_scenes_search_cpu.json \
        --seeds 0 1 2 -- training_regimes=search_street_scenes

Everything behind `--` goes to `search.py`. Folders of data sets and runs are left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PROVENANCE = ("python", "platform", "libraries", "cpu", "threads", "cuda", "gpus")


def run(seed: int, arguments: list[str]) -> dict[str, Any]:
    """One search in a scratch folder, as a new process."""
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.monotonic()
        subprocess.run(
            [sys.executable, REPOSITORY / "search.py", *arguments, f"seed={seed}",
             f"runs={scratch}", "name=result"],
            check=True,
        )  # fmt: skip
        seconds = time.monotonic() - begin
        return {"wall_seconds": round(seconds, 1), **collect(Path(scratch) / "result")}


def collect(folder: Path) -> dict[str, Any]:
    """What is worth keeping of a finished run folder."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["datasets"] = config["datasets"]["name"]
    for key in ("runs", "name"):
        config.pop(key)
    environment = json.loads((folder / "environment.json").read_text())[0]
    with (folder / "candidates.csv").open() as file:
        candidates = [
            {**row, "cost": float(row["cost"]), "miou": float(row["miou"]),
             "report_miou": float(row["report_miou"]) if row["report_miou"] else None}
            for row in csv.DictReader(file)
        ]  # fmt: skip
    return {
        "summary": json.loads((folder / "summary.json").read_text()),
        "candidates": candidates,
        "config": config,
        "environment": {key: environment[key] for key in PROVENANCE if key in environment},
    }


def main() -> None:
    """Runs all seeds and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("arguments", nargs="*", help="for search.py, behind --")
    options = parser.parse_args()
    results = []
    for seed in options.seeds:
        results.append(run(seed, options.arguments))
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=1) + "\n")
    for result in results:
        summary = result["summary"]
        chosen = summary["chosen"]
        print(
            f"seed {summary['seed']}: {result['wall_seconds']:.0f} s, "
            f"chosen {chosen['cost']:.4g} {summary['unit']} (target {summary['target']:g}), "
            f"mIoU {chosen['report_miou']:.2%}, random {summary['random']['mean']:.2%} +- "
            f"{summary['random']['standard_error']:.2%}"
        )


if __name__ == "__main__":
    main()
