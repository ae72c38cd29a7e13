r"""Strategies of both kinds on the segmentation space: one supernet, one cost, trained alike.

    python -m benchmarks.segmentation_strategies \
        --output benchmarks/results/segmentation_strategies_cpu.json

The one-shot search learns the supernet and chooses by its distribution; ask/tell strategies search
with the weights it learned, under the same limit on cost. What each of them chooses is trained from
scratch by one regime. Every search and training is a run folder; what is finished is only read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cell_search import PROVENANCE
from squeezenas.core.files import write_atomically

REPOSITORY = Path(__file__).resolve().parents[1]
STRATEGIES = ("random", "aging_evolution", "neural_predictor")


def run(program: str, folder: Path, *words: str) -> dict[str, Any]:
    """The summary of a run, which is begun, continued or only read."""
    command = [sys.executable, str(REPOSITORY / program)]
    if (folder / "config.yaml").is_file():
        command += ["--resume", str(folder)]
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        command += [f"runs={folder.parent}", f"name={folder.name}", *words]
    if not (folder / "summary.json").is_file():
        with folder.with_suffix(".log").open("a") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=REPOSITORY)
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def main() -> None:
    """Searches, trains and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/segmentation_strategies"))
    parser.add_argument("--trials", type=int, default=100, help="evaluations of each strategy")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the trainings")
    options = parser.parse_args()
    runs = options.runs.resolve()
    one_shot = run("search.py", runs / "one_shot")
    rows = [
        {
            "strategy": "gumbel",
            "cost": one_shot["chosen"]["cost"],
            "inherited_selection_miou": one_shot["chosen"]["selection_miou"],
            "inherited_report_miou": one_shot["chosen"]["report_miou"],
            "device_minutes": 60 * one_shot["device_hours"],
            "folder": runs / "one_shot",
        }
    ]
    for name in STRATEGIES:
        found = run(
            "search.py", runs / name, f"training_regimes=search_{name}",
            f"regime.evaluator.supernet={runs / 'one_shot'}", f"regime.trials={options.trials}",
        )  # fmt: skip
        rows.append(
            {
                "strategy": name,
                "cost": found["chosen"]["cost"],
                "inherited_selection_miou": found["chosen"]["miou"],
                "inherited_report_miou": found["chosen"]["report_miou"],
                "device_minutes": 60 * found["device_hours"],
                "evaluations": found["evaluations"],
                "folder": runs / name,
            }
        )
        print(f"{name}: {rows[-1]}", flush=True)
    for row in rows:
        card = row.pop("folder") / "architecture.yaml"
        trained = [
            run(
                "train.py",
                runs / f"{row['strategy']}-seed{seed}",
                f"models={card}",
                "training_regimes=retrain_street_scenes",
                f"seed={seed}",
            )
            for seed in options.seeds
        ]
        row["trained_miou"] = [one["street_scenes"]["figures"]["miou"] for one in trained]
        print(f"{row['strategy']}: {row['trained_miou']}", flush=True)
    here = json.loads((runs / "one_shot" / "environment.json").read_text())[0]
    result = {
        "target": one_shot["target"],
        "unit": one_shot["unit"],
        "one_shot_random": one_shot["random"],
        "training_seeds": options.seeds,
        "networks": rows,
        "environment": {key: here[key] for key in PROVENANCE if key in here},
    }
    write_atomically(options.output, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
