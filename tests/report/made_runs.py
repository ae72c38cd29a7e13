"""Run folders as searches leave them, without the searching: any number of epochs and candidates.

They are written by `Run`, as those of the command line; `test_made_runs.py` holds their keys equal
to those of real searches.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from squeezenas.core.files import write_atomically
from squeezenas.core.recipes import load_search
from squeezenas.core.space import spaces
from squeezenas.tracking.run import Run

HOSTILE = (
    "</script><script>window.hacked=1</script>",
    '"><img/src=x/onerror="window.hacked=1">',
    "'&quot;&amp;`${window.hacked=1}`{{7*7}}",
    "\u202eright-to-left\u202c-مرحبا",
    "🧪🏙️-%s-\\u003c",
)
"""What must stay text wherever a page shows it; no spaces, as these are names of options too."""

Choices = Mapping[str, Sequence[str]]
Row = dict[str, Any]


def chain(space: str = "squeezenas_small") -> Choices:
    """Unit -> options of a registered space."""
    return {choice.key: choice.options for choice in spaces[space]().choices}


def one_shot_run(
    folder: Path,
    *,
    epochs: int = 6,
    steps_per_epoch: int = 4,
    candidates: int = 24,
    random_networks: int = 8,
    space: str = "squeezenas_small",
    choices: Choices | None = None,
    unit: str = "GMACs",
    seed: int = 0,
    finished: bool = True,
) -> Path:
    """The folder of a one-shot search for a cost target.

    Args:
        folder: the run folder, absent; its name is the run's.
        epochs: the first third is warm-up.
        steps_per_epoch: steps, each a line of `metrics.jsonl` and of `timing.jsonl`.
        candidates: networks of the learned distribution that were scored.
        random_networks: the random ones beside them.
        space: name of the space in the configuration.
        choices: its units and their options; omitted: those of the registered space.
        unit: unit of the cost.
        seed: everything is drawn from it.
        finished: whether there is a selection and a summary.
    """
    choices = chain(space) if choices is None else choices
    rng, target, warmup = random.Random(seed), 0.05, max(epochs // 3, 1)
    config = _config(folder, "search_street_scenes", seed)
    config["regime"] |= {
        "space": space, "epochs": epochs, "warmup_epochs": warmup,
        "steps_per_epoch": steps_per_epoch,
    }  # fmt: skip
    history = _history(choices, epochs, warmup, seed)
    with Run.create(folder, config, steps=epochs * steps_per_epoch) as run:
        for step in range(1, epochs * steps_per_epoch + 1):
            epoch, last = (step - 1) // steps_per_epoch, step % steps_per_epoch == 0
            progress = step / (epochs * steps_per_epoch)
            line = _learning(progress, history[epoch], rng) if epoch >= warmup else {}
            line |= {
                "search/loss": 3 * math.exp(-2 * progress) + 0.1 * rng.random(),
                "search/lr": 0.0015 * (1 + math.cos(math.pi * progress)),
                "search/gradient_norm": 5 + rng.random(),
                "search/bad_steps": 0,
            }
            run.log({**line, **({"search/miou": 0.3 * progress} if last else {})}, step)
            run.log_timing({"time/step": 0.5, "time/images": 16.0}, step)
        if finished:
            rows = _candidates(choices, candidates, random_networks, target, rng)
            run.table("candidates", rows)
            run.write_text("probabilities.json", json.dumps(history) + "\n")
            run.finish(_summary(rows, target, unit, epochs * steps_per_epoch, seed))
    return folder


def hostile_run(folder: Path) -> Path:
    """A one-shot search in which every name is one of the `HOSTILE` texts."""
    options = [f"{text}{number}" for number, text in enumerate(HOSTILE)]
    choices = {f"unit{number}{text}": options for number, text in enumerate(HOSTILE)}
    one_shot_run(folder, space=f"space{HOSTILE[0]}", choices=choices, unit=HOSTILE[1])
    path = folder / "environment.json"
    (environment,) = json.loads(path.read_text())
    write_atomically(path, json.dumps([{**environment, "command": [*HOSTILE]}]))
    return folder


def ask_tell_run(
    folder: Path, *, trials: int = 30, space: str = "squeezenas_small", seed: int = 0
) -> Path:
    """The folder of an ask/tell search over inherited weights, of which the third trial failed."""
    rng, choices, best = random.Random(seed), chain(space), 0.0
    config = _config(folder, "search_aging_evolution", seed)
    config["regime"] |= {"space": space, "trials": trials}
    rows = []
    for number in range(trials):
        architecture, cost = _network(choices, rng)
        value = None if number == 2 else _score(cost, rng)
        row = {"number": number, "miou": value, "cost": cost, "seconds": 1.5, "worker": "here-1-0"}
        error = HOSTILE[0] if value is None else None
        rows.append({**row, "error": error, "architecture": " ".join(architecture)})
    with Run.create(folder, config, steps=trials) as run:
        for row in rows:
            line = {"trial/number": row["number"]}
            if row["miou"] is not None:
                best = max(best, row["miou"])
                line |= {"trial/value": row["miou"], "trial/best": best, "trial/cost": row["cost"]}
            run.log({**line, "trial/failed": row["number"] >= 2}, row["number"] + 1)
        run.table("trials", rows)
        done = [row for row in rows if row["miou"] is not None]
        chosen = max(done, key=lambda row: row["miou"])
        run.finish(
            {
                "chosen": {
                    "number": chosen["number"],
                    "architecture": chosen["architecture"].split(),
                    "miou": chosen["miou"],
                    "report_miou": chosen["miou"] - 0.01,
                    "cost": chosen["cost"],
                },
                "front": [row["architecture"].split() for row in rows if row in _front(done)],
                "figure": "miou",
                "unit": "GMACs",
                "target": None,
                "strategy": config["regime"]["strategy"],
                "evaluations": len(done),
                "failed": trials - len(done),
                "different": len(done),
                "seed": seed,
                "device_hours": 1.5 * trials / 3600,
            }
        )
    return folder


def _config(folder: Path, regime: str, seed: int) -> dict[str, Any]:
    words = [
        f"training_regimes={regime}", "datasets=street_scenes", f"runs={folder.parent}",
        f"name={folder.name}", f"seed={seed}",
    ]  # fmt: skip
    return load_search(words).model_dump(mode="json")


def _history(choices: Choices, epochs: int, warmup: int, seed: int) -> list[dict[str, list[float]]]:
    """Distributions that are uniform while the weights warm up and sharpen from then on."""
    rng = np.random.default_rng(seed)
    likes = {key: rng.normal(size=len(options)) for key, options in choices.items()}
    history = []
    for epoch in range(epochs):
        sharpness = 3 * max(epoch + 1 - warmup, 0) / epochs
        rows = {key: np.exp(sharpness * row).astype(np.float32) for key, row in likes.items()}
        history.append({key: (row / row.sum()).tolist() for key, row in rows.items()})
    return history


def _learning(
    progress: float, rows: Mapping[str, Sequence[float]], rng: random.Random
) -> dict[str, float]:
    entropies = [-sum(p * math.log(p) for p in row) for row in rows.values()]
    return {
        "architecture/loss": 3 * math.exp(-1.8 * progress) + 0.1 * rng.random(),
        "architecture/expected_cost": 0.05 + 0.04 * (1 - progress),
        "architecture/temperature": 2 * 0.1**progress,
        "architecture/multiplier": 0.1 + 0.4 * progress,
        "architecture/entropy": fmean(entropies),
        "architecture/skips": int(6 * progress),
    }


def _network(choices: Choices, rng: random.Random) -> tuple[list[str], float]:
    """A network and its cost, larger where later options are chosen."""
    picks = [rng.randrange(len(options)) for options in choices.values()]
    share = fmean(
        pick / len(options) for pick, options in zip(picks, choices.values(), strict=True)
    )
    written = [options[pick] for pick, options in zip(picks, choices.values(), strict=True)]
    return written, 0.03 + 0.04 * share


def _score(cost: float, rng: random.Random) -> float:
    return 0.2 + 2 * (cost - 0.03) + rng.gauss(0, 0.01)


def _candidates(
    choices: Choices, learned: int, others: int, target: float, rng: random.Random
) -> list[Row]:
    rows: dict[str, Row] = {}
    kinds = ["argmax", *["sampled"] * (learned - 1), *["random"] * others]
    while len(rows) < len(kinds):
        architecture, cost = _network(choices, rng)
        kind, score, written = kinds[len(rows)], _score(cost, rng), " ".join(architecture)
        if cost <= target and written not in rows:
            report = score - 0.01 if kind == "random" else None
            row = {"kind": kind, "cost": cost, "miou": score, "report_miou": report}
            rows[written] = {**row, "front": False, "chosen": False, "architecture": written}
    ordered = sorted(rows.values(), key=lambda row: -row["miou"])
    for row in _front(ordered):
        row["front"] = True
    chosen = next(row for row in ordered if row["kind"] != "random")
    chosen |= {"chosen": True, "report_miou": chosen["miou"] - 0.01}
    return ordered


def _front(rows: Sequence[Row]) -> list[Row]:
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: row["cost"]):
        if not front or row["miou"] > front[-1]["miou"]:
            front.append(row)
    return front


def _summary(rows: Sequence[Row], target: float, unit: str, steps: int, seed: int) -> Row:
    (chosen,) = (row for row in rows if row["chosen"])
    baseline = [row["report_miou"] for row in rows if row["kind"] == "random"]
    return {
        "chosen": {
            "architecture": chosen["architecture"].split(),
            "kind": chosen["kind"],
            "cost": chosen["cost"],
            "selection_miou": chosen["miou"],
            "report_miou": chosen["report_miou"],
        },
        "target": target,
        "unit": unit,
        "random": {
            "mean": fmean(baseline),
            "standard_error": stdev(baseline) / math.sqrt(len(baseline)),
            "networks": len(baseline),
        },
        "protocol": "clean",
        "steps": steps,
        "seed": seed,
        "device": "cpu",
        "device_hours": 0.5 * steps / 3600,
        "cost_table": {
            "fixed": 0.012, "space": "squeezenas_small", "head": "lr_aspp", "classes": 19,
            "resolution": [128, 256],
        },
    }  # fmt: skip
