r"""Does a network that scored well in the supernet also train well? The real comparison, on CamVid.

    python -m benchmarks.camvid_retrain --root /data/camvid \
        --output benchmarks/results/camvid_retrain.json

Trains, from scratch and under one regime, the network that a search on CamVid found (three seeds),
the random networks of the same cost that the same search scored, two published networks and LR-ASPP
on MobileNetV3-Large, and reports mIoU on the test split. A run that was stopped goes on where it
was: every training lies in a run folder of its own below --runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy.stats import kendalltau

from squeezenas.core.model_card import ModelCard, read_model_card, write_model_card
from squeezenas.core.recipes import load_dataset, load_model

REPOSITORY = Path(__file__).resolve().parents[1]
SEARCH = REPOSITORY / "benchmarks" / "results" / "camvid_search_cpu.json"
OTHERS = ("baseline_lraspp_mobilenetv3_large", "squeezenas_mac_small", "squeezenas_lat_small")
WITHIN = 0.1  # random networks cost within so much of the found one
PROVENANCE = ("date", "python", "platform", "libraries", "cpu", "threads", "cuda", "gpus")


def competitors(search: dict[str, Any]) -> list[tuple[ModelCard, int, float | None]]:
    """Card, seed and supernet score of everything that is trained, the largest network first."""
    rows = sorted(search["candidates"], key=lambda row: row["chosen"] != "True")
    found, randoms = rows[0], [row for row in rows if row["kind"] == "random"]
    near = [row for row in randoms if abs(row["cost"] / found["cost"] - 1) <= WITHIN]
    trained: list[tuple[ModelCard, int, float | None]] = [
        (load_model(name), 0, None) for name in OTHERS
    ]
    trained += [(_card("found", found, search), seed, found["report_miou"]) for seed in (0, 1, 2)]
    for number, row in enumerate(near):
        trained.append((_card(f"random{number:02d}", row, search), 0, row["report_miou"]))
    return trained


def _card(name: str, row: dict[str, Any], search: dict[str, Any]) -> ModelCard:
    regime = search["config"]["regime"]
    return ModelCard(
        name=name,
        space=regime["space"],
        head=regime["head"],
        classes=load_dataset(["datasets=camvid"]).classes,
        dataset="camvid",
        architecture=tuple(row["architecture"].split()),
    )


def train(card: ModelCard, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training as a process of its own; begun ones go on, finished ones are only read."""
    folder = options.runs / f"{card.name}-seed{seed}"
    command = [sys.executable, str(REPOSITORY / "train.py")]
    if (folder / "config.yaml").is_file():
        command += ["--resume", str(folder), f"threads={options.threads}"]
    else:
        options.runs.mkdir(parents=True, exist_ok=True)
        file = options.runs / f"{card.name}.yaml"
        write_model_card(file, card)
        command += [f"models={file}", "training_regimes=retrain_camvid", f"name={folder.name}"]
        command += [f"runs={options.runs}", f"seed={seed}", f"threads={options.threads}"]
        command += [f"datasets.camvid.root={options.root}", *options.overrides]
    if not (folder / "summary.json").is_file():
        with (options.runs / f"{folder.name}.log").open("a") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=REPOSITORY)
    summary = json.loads((folder / "summary.json").read_text())["camvid"]
    costs = read_model_card(folder / "model.yaml").costs
    assert costs is not None
    print(f"{folder.name}: {summary['figures']['miou']:.2%} on test", flush=True)
    return {
        "network": card.name,
        "seed": seed,
        "gmacs": costs.gmacs,
        "parameters_millions": costs.parameters_millions,
        "resolution": costs.resolution,
        "test": summary["figures"],
        "last_validation": summary["last_validation"],
        "best_validation": summary["best_validation"],
        "device_hours": summary["device_hours"],
        "architecture": list(card.architecture) or [card.network, card.backbone],
    }


def compared(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Found against random, and how well the supernet ranked them."""
    found = [row["test"]["miou"] for row in rows if row["network"] == "found"]
    randoms = [row["test"]["miou"] for row in rows if row["network"].startswith("random")]
    ranked = [r for r in rows if r["supernet_miou"] is not None and r["seed"] == 0]
    tau = kendalltau([r["supernet_miou"] for r in ranked], [r["test"]["miou"] for r in ranked])
    return {
        "found": {"mean": mean(found), "standard_deviation": stdev(found), "seeds": len(found)},
        "random": {
            "mean": mean(randoms),
            "standard_deviation": stdev(randoms),
            "best": max(randoms),
            "networks": len(randoms),
        },
        "found_beats": sum(mean(found) > other for other in randoms),
        "kendall_tau": {"tau": tau.statistic, "p": tau.pvalue, "networks": len(ranked)},
    }


def main() -> None:
    """Trains everything and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of CamVid")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--search", type=Path, default=SEARCH, help="result of search_result.py")
    parser.add_argument("--runs", type=Path, default=Path("runs/camvid_retrain"))
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=0, help="threads of each")
    parser.add_argument("overrides", nargs="*", help="for train.py, behind --")
    options = parser.parse_args()
    options.root = options.root.resolve()
    begin = time.monotonic()
    entries = competitors(json.loads(options.search.read_text())[0])
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda entry: train(entry[0], entry[1], options), entries))
    rows = [
        {**row, "supernet_miou": score} for row, (_, _, score) in zip(results, entries, strict=True)
    ]
    first = options.runs / "found-seed0"
    environment = json.loads((first / "environment.json").read_text())[0]
    result = {
        "comparison": compared(rows),
        "networks": rows,
        "regime": read_model_card(first / "model.yaml").training["regime"],
        "wall_seconds_of_this_call": round(time.monotonic() - begin),
        "jobs": options.jobs,
        "environment": {key: environment[key] for key in PROVENANCE if key in environment},
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["comparison"], indent=1))


if __name__ == "__main__":
    main()
