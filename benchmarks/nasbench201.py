"""Every ask/tell strategy on NAS-Bench-201, with the same seeds.

    python -m benchmarks.nasbench201 --root FOLDER --output benchmarks/results/nasbench201_cpu.json

Searches by the validation accuracy at 12 epochs, and tells the test accuracy at 200 epochs of what
was found. The same as `squeezenas compare` with the settings below instead of those of the
strategies' cards, training_regimes/search_<strategy>.yaml.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from squeezenas.cli.compare import main as compare
from squeezenas.core.compare_config import load_comparison
from squeezenas.core.files import write_atomically

SETTINGS = {
    "aging_evolution": {"population": 50, "sample": 20, "identity": 0},
    "bayesian": {"seeds": 6},  # the slowest two have fewer
    "nao": {
        "initial": 50, "parents": 25, "children": 25, "epochs": 200, "batch": 100, "lr": 1e-3,
        "trade_off": 0.9, "seeds": 10,
    },
    "neural_predictor": {"n": 50, "refit": 50, "candidates": 20_000},
    "nsga2": {"population": 20},
    "pnas": {"beam": 20},
    "ppo": {"lr": 0.01, "batch": 20},
    "reinforce": {"lr": 0.02, "batch": 8},
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of the table")
    parser.add_argument("--output", type=Path, required=True, help="JSON file; a PNG beside it")
    parser.add_argument("--strategies", default="all", help="names with commas between them")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--budget", default="[150,300]", help="evaluations")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    names = given.strategies.split(",")
    settings = {name: SETTINGS[name] for name in SETTINGS if name in names or "all" in names}
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "datasets=nasbench201", f"datasets.root={given.root}", "figure=cifar10_val_12ep",
            "report=cifar10_test_200ep", f"strategies={given.strategies}",
            f"settings={json.dumps(settings)}", f"seeds={given.seeds}", f"budget={given.budget}",
            f"jobs={given.jobs}", f"output={folder}",
        ]  # fmt: skip
        code = compare(load_comparison(words))
        shutil.copyfile(Path(folder, "comparison.png"), given.output.with_suffix(".png"))
        report = json.loads(Path(folder, "comparison.json").read_text())
    kept = {key: value for key, value in report.items() if key not in ("command", "git")}
    write_atomically(given.output, json.dumps(kept, indent=1) + "\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
