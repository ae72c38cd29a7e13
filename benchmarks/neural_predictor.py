r"""Neural Predictor on NAS-Bench-101: its table, and its figures 6 and 7, on the CPU.

    python -m benchmarks.neural_predictor --root DIR \
        --output benchmarks/results/neural_predictor_cpu.json

DIR holds the table of `datasets/nasbench101.yaml`. Of its cells `TUNING` are set apart: the
settings of all predictors were chosen on them, and nothing here sees them. The others are what is
divided into learned from and predicted, and what is searched.

- table: N = 172, the same splits for all; every other cell is predicted. Measures of all cells; of
  the good ones, at least 91 %; and of those that the two-stage predictor's classifier takes.
- figure 6: best validation accuracy so far, the mean over splits, after N random cells and then
  the best predicted. Random search in closed form. Regularised evolution mutates a cell into one of
  the 20 that differ from it in the fewest choices (`TableSpace`): of 7 % of the space few are one
  mutation apart, and evolution goes round in circles among them. 20 did best of 5, 20 and 50.
- figure 7: the same at fixed budgets N + K, for several N, on half as many splits.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from squeezenas.core.architecture import Architecture
from squeezenas.core.files import write_atomically
from squeezenas.core.predictor_config import ScoreConfig, load_predictor_config
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Trial
from squeezenas.data.table_space import TableSpace
from squeezenas.data.tables import read_table
from squeezenas.predictors.measures import measures
from squeezenas.predictors.predictor import make_predictor, predictors
from squeezenas.strategies.ask_tell import make_strategy
from squeezenas.tracking.environment import environment

N, GOOD, TUNING = 172, 91.0, 3000
ONE, TWO = "gcn, one stage", "gcn, two stages"
PREDICTORS: dict[str, tuple[str, dict[str, Any]]] = {
    ONE: ("gcn", {}),
    TWO: ("gcn", {"stages": 2, "threshold": GOOD}),
    "mlp": ("mlp", {}),
    "rnn": ("rnn", {}),
    "boosting": ("boosting", {}),
}
EVOLUTION = {"population": 100, "sample": 10}
SIZES = (50, 100, N, 300)
POINTS = (1, 10, 30, 50, 100, 150, *range(N, 2 * N, 20), 400, 500)
BUDGETS = (200, 300, 500)

Found = dict[str, Any]


class Cells:
    """The cells that are not for tuning, and their validation accuracy in percent."""

    def __init__(self, root: Path) -> None:
        card = load_predictor_config(
            ScoreConfig, ["datasets=nasbench101", f"datasets.root={root}"]
        ).datasets
        table = read_table(card)
        rows = np.sort(np.random.default_rng(2026).permutation(len(table))[TUNING:])
        self.space: SearchSpace = table.whole
        self.space.graph = cache(self.space.graph)  # type: ignore[method-assign]
        self.architectures: list[Architecture] = [table.architectures()[row] for row in rows]
        self.values = 100 * table.column("val")[rows]

    def __len__(self) -> int:
        return len(self.architectures)

    def predicted(self, name: str, order: np.ndarray, n: int, seed: int) -> np.ndarray:
        """Predictions of all cells by a predictor that learned from the first n of an order."""
        kind, settings = PREDICTORS[name]
        predictor = make_predictor(kind, settings, self.space, seed)
        predictor.fit([self.architectures[row] for row in order[:n]], self.values[order[:n]])
        return predictor.predict(self.architectures)


def measured(cells: Cells, predicted: np.ndarray, test: np.ndarray) -> Found:
    """Measures of the test cells, of the good ones, and of those said to be good."""
    values, said = cells.values[test], predicted[test]
    parts = {"all": values == values, "good": values >= GOOD, "said_good": said >= GOOD - 1e-6}
    return {
        name: measures(values[rows], said[rows]) | {"cells": int(rows.sum())}
        for name, rows in parts.items()
    }


def predictor_curve(cells: Cells, predicted: np.ndarray, order: np.ndarray, n: int) -> np.ndarray:
    """Best so far of n random cells and then all others, the best predicted first."""
    others = order[n:]
    ranked = others[np.argsort(-predicted[others], kind="stable")]
    return np.maximum.accumulate(cells.values[np.concatenate([order[:n], ranked])])


def random_curve(values: np.ndarray, budget: int) -> np.ndarray:
    """Expected best of k uniform draws with replacement, k = 1..budget, in closed form."""
    ranked, count = np.sort(values), len(values)
    at_most = np.arange(count + 1) / count
    return np.array([np.diff(at_most**k) @ ranked for k in range(1, budget + 1)])


def evolution_curve(cells: Cells, budget: int, seed: int) -> np.ndarray:
    """Best so far of regularised evolution among the cells."""
    worth = dict(zip(cells.architectures, cells.values.tolist(), strict=True))
    space = TableSpace(cells.space, cells.architectures, worth.__contains__)
    strategy = make_strategy("aging_evolution", EVOLUTION, space, seed)
    merits = []
    for number in range(budget):
        architecture = strategy.ask(number).architecture
        merits.append(worth[architecture])
        strategy.tell(Trial(number, architecture, merits[-1]))
    return np.maximum.accumulate(merits)


def summary(curves: Sequence[np.ndarray], points: Sequence[int]) -> list[Found]:
    """Mean of best-so-far and its standard error, at these numbers of evaluations."""
    at = np.array([[curve[point - 1] for point in points] for curve in curves])
    errors = at.std(0, ddof=1) / len(at) ** 0.5 if len(at) > 1 else np.zeros(len(points))
    return [
        {"evaluations": point, "best": float(mean), "standard_error": float(error)}
        for point, mean, error in zip(points, at.mean(0), errors, strict=True)
    ]


def averages(rows: Sequence[Found]) -> Found:
    """Mean and deviation of every measure over splits."""
    return {
        part: {
            key: [float(f([row[part][key] for row in rows])) for f in (np.mean, np.std)]
            for key in rows[0][part]
        }
        for part in rows[0]
    }


def figures(cells: Cells, splits: int, budget: int, save: Callable[[Found], None]) -> None:
    """Everything, in an order in which nothing is fitted twice."""
    orders = [np.random.default_rng(seed).permutation(len(cells)) for seed in range(splits)]
    points = [point for point in POINTS if point <= budget]
    rows: dict[str, list[Found]] = {name: [] for name in PREDICTORS}
    curves: dict[str, list[np.ndarray]] = {name: [] for name in PREDICTORS}
    found: Found = {"n": N, "cells": len(cells), "table": {}, "figure_6": {}, "figure_7": {}}
    for seed, order in enumerate(tqdm(orders, desc="splits")):
        for name in PREDICTORS:
            start = perf_counter()
            predicted = cells.predicted(name, order, N, seed)
            seconds = perf_counter() - start
            rows[name].append(measured(cells, predicted, order[N:]))
            rows[name][-1]["all"]["seconds"] = seconds
            curves[name].append(predictor_curve(cells, predicted, order, N))
        found["table"] = {
            name: {"mean_and_deviation": averages(of_one), "splits": of_one}
            for name, of_one in rows.items()
        }
        found["figure_6"] = {name: summary(each, points) for name, each in curves.items()}
        save(found)
    evolved = [evolution_curve(cells, budget, seed) for seed in tqdm(range(splits), "evolution")]
    found["figure_6"] |= {
        "random": summary([random_curve(cells.values, budget)], points),
        "regularised evolution": summary(evolved, points),
        "oracle": float(cells.values.max()),
    }
    save(found)
    few = list(enumerate(orders))[: max(splits // 2, 1)]
    for n in tqdm(SIZES, desc="figure 7"):
        some = curves[ONE][: len(few)]
        if n != N:
            some = [
                predictor_curve(cells, cells.predicted(ONE, order, n, seed), order, n)
                for seed, order in few
            ]
        budgets = [total for total in BUDGETS if total > n]
        found["figure_7"][f"N={n}"] = summary(some, budgets)
        save(found)


def text(found: Found) -> str:
    """What a terminal shows."""
    lines = [
        f"{'N = 172':<22}{'tau':>8}{'rho':>8}{'R2':>8}{'MSE':>8}{'tau good':>10}{'MSE good':>10}"
    ]
    for name, each in found["table"].items():
        every, good = (each["mean_and_deviation"][part] for part in ("all", "good"))
        lines.append(
            f"{name:<22}{every['kendall'][0]:8.3f}{every['spearman'][0]:8.3f}{every['r2'][0]:8.3f}"
            f"{every['mse'][0]:8.2f}{good['kendall'][0]:10.3f}{good['mse'][0]:10.2f}"
        )
    for figure in ("figure_6", "figure_7"):
        lines += ["", figure.replace("_", " ")]
        for name, points in found[figure].items():
            if isinstance(points, float):
                lines.append(f"{name:<22} {points:.3f}")
            else:
                lines.append(
                    f"{name:<22} "
                    + "  ".join(f"{p['evaluations']}: {p['best']:.3f}" for p in points)
                )
    return "\n".join(lines)


def all_settings(kind: str, settings: Found) -> Found:
    """All keys of a predictor, with their defaults."""
    return {"predictor": kind, **predictors[kind].Config(**settings).model_dump(mode="json")}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of the table")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--budget", type=int, default=500, help="evaluations of figure 6")
    parser.add_argument("--output", type=Path, help="JSON file for everything measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    here = environment()
    report: Found = {
        **{key: here[key] for key in ("date", "python", "platform", "libraries", "cpu", "git")},
        "threads": 1,
        "load_at_start": os.getloadavg(),
        "table": "NAS-Bench-101, validation accuracy of one training at 108 epochs, percent",
        "set_apart_for_tuning": TUNING,
        "settings": {
            name: all_settings(kind, settings) for name, (kind, settings) in PREDICTORS.items()
        },
        "evolution": EVOLUTION,
    }

    def save(found: Found) -> None:
        report["found"] = found
        if arguments.output:
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(arguments.output, json.dumps(report, indent=1) + "\n")

    start = perf_counter()
    figures(Cells(arguments.root), arguments.splits, arguments.budget, save)
    report["seconds"] = perf_counter() - start
    save(report["found"])
    print(text(report["found"]))


if __name__ == "__main__":
    main()
