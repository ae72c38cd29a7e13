"""`squeezenas predictor fit|score`: predictors alone, on the architectures of a benchmark table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from squeezenas.core.architecture import Architecture
from squeezenas.core.files import write_atomically
from squeezenas.core.predictor_config import (
    FitConfig,
    PredictorConfig,
    ScoreConfig,
    load_predictor_config,
)
from squeezenas.core.reading import read_text
from squeezenas.core.registry import nearest
from squeezenas.predictors.predictor import Array, make_predictor
from squeezenas.predictors.saved import save_predictor
from squeezenas.predictors.scoring import scored, split

if TYPE_CHECKING:
    from squeezenas.core.space import SearchSpace
    from squeezenas.data.tables import BenchmarkTable

USAGE = "usage: squeezenas predictor fit|score datasets=TABLE [key=value]"
LONGEST = 4000
"""Characters of an architecture's text; genotypes have some hundred."""

Found = dict[str, list[dict[str, float]]]
"""Measures of each split, by predictor."""


def main(arguments: Sequence[str]) -> int:
    """Runs what follows `squeezenas predictor`.

    Returns:
        0.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
    """
    command, *rest = arguments or ("",)
    if command == "score":
        return _score(load_predictor_config(ScoreConfig, rest))
    if command == "fit":
        return _fit(load_predictor_config(FitConfig, rest))
    raise ValueError(f"unknown command {command!r}{nearest(command, ['fit', 'score'])}; {USAGE}")


def _score(config: ScoreConfig) -> int:
    """Compares predictors; prints a table and writes `predictors.json`."""
    if strangers := sorted(set(config.settings) - set(config.predictor)):
        raise ValueError(
            f"settings.{strangers[0]}: not among predictor=[{','.join(config.predictor)}]"
            f"{nearest(strangers[0], list(config.predictor))}"
        )
    table, name, values = _read(config)
    architectures, space = table.architectures(), table.whole
    for predictor in config.predictor:
        make_predictor(predictor, config.settings.get(predictor, {}), space)  # before the work
    seeds = range(config.seed, config.seed + config.splits)
    splits = [split(len(table), config.n, config.test, seed) for seed in seeds]
    if config.output is not None:
        config.output.mkdir(parents=True, exist_ok=True)
    figure = table.figures[name]
    unit = 100.0 if figure.percent else 1.0
    found: Found = {predictor: [] for predictor in config.predictor}
    fits = [(predictor, *one) for predictor in found for one in zip(seeds, splits, strict=True)]
    for predictor, seed, rows in tqdm(fits, "scoring", unit="fit", leave=False, disable=None):
        model = make_predictor(predictor, config.settings.get(predictor, {}), space, seed)
        found[predictor].append(scored(model, architectures, values, rows, config.top, unit))
    print("\n".join(lines(found)))
    print(
        f"\n{figure.label} of {table.card.title}: {len(splits[0].training)} architectures learned "
        f"from, {len(splits[0].test):,} others predicted, mean and deviation of {config.splits} "
        f"splits; mse and regret in {'percent' if figure.percent else 'units of the figure'}"
    )
    if config.output is not None:
        _write_scores(config, name, found)
        print(f"predictors.json is in {config.output}")
    return 0


def lines(found: Found) -> list[str]:
    """The measures of each predictor as a table for the terminal."""
    names = list(next(iter(found.values()))[0])
    wide = max(9, *(len(name) for name in found))
    rows = [f"{'predictor':<{wide}}" + "".join(f"  {name:>15}" for name in names)]
    for predictor, splits in found.items():
        cells = [[row[name] for row in splits] for name in names]
        texts = [f"{np.mean(cell):.3f} +- {np.std(cell):.3f}" for cell in cells]
        rows.append(f"{predictor:<{wide}}" + "".join(f"  {text:>15}" for text in texts))
    return rows


def _write_scores(config: ScoreConfig, figure: str, found: Found) -> None:
    from squeezenas.tracking.environment import environment

    assert config.output is not None
    report = {
        "figure": figure,
        "mean": {name: _means(rows) for name, rows in found.items()},
        "splits": found,
        "config": config.model_dump(mode="json", exclude_none=True),
        **environment(),
    }
    write_atomically(config.output / "predictors.json", json.dumps(report, indent=1) + "\n")


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _fit(config: FitConfig) -> int:
    """Fits one predictor; writes it and its predictions, the best first."""
    table, name, values = _read(config)
    space, known = table.whole, table.architectures()
    n = min(config.n, len(table)) or len(table)
    rows = np.random.default_rng(config.seed).permutation(len(table))
    if config.candidates is not None:
        candidates = read_architectures(config.candidates, space)
    else:
        candidates = [known[row] for row in rows[n:]]
    predictor = make_predictor(config.predictor, config.settings, space, config.seed)
    config.output.mkdir(parents=True, exist_ok=True)
    predictor.fit([known[row] for row in rows[:n]], values[rows[:n]])
    save_predictor(config.output / "predictor.safetensors", predictor, config.predictor)
    figure = table.figures[name]
    told = f"{config.predictor} learned from {n:,} architectures of {table.card.title}"
    if not candidates:
        print(f"{told}; nothing is left to predict. predictor.safetensors is in {config.output}")
        return 0
    predicted = figure.merit(1.0) * predictor.predict(candidates)
    order = np.argsort(-figure.merit(1.0) * predicted, kind="stable").tolist()
    written = [[" ".join(space.write(candidates[i])), f"{predicted[i]:.6g}"] for i in order]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [["architecture", f"predicted {name}"], *written]
    )
    write_atomically(config.output / "predictions.csv", text.getvalue())
    print(
        f"{told} and predicted {len(candidates):,}; best: {figure.text(float(predicted[order[0]]))}"
        f"\npredictor.safetensors and predictions.csv are in {config.output}"
    )
    return 0


def _read(config: PredictorConfig) -> tuple[BenchmarkTable, str, Array]:
    """The table, the name of the figure, and its merits: more is always better."""
    from squeezenas.data.tables import read_table

    table = read_table(config.datasets)
    name = config.figure or next(iter(table.figures))
    table = table.require(name)
    return table, name, table.figures[name].merit(1.0) * table.column(name)


def read_architectures(path: Path, space: SearchSpace) -> list[Architecture]:
    """The architectures of a text file, one a line as the space writes them.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no architectures, or one that is not of the space; names the line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"candidates={path}: no such file; check the path")
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        if len(line) > LONGEST:
            raise ValueError(f"{path}, line {number}: {len(line):,} characters; write one a line")
        try:
            found.append(_read_line(line.strip(), space))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not found:
        raise ValueError(f"{path}: no architectures; write one a line")
    return found


def _read_line(line: str, space: SearchSpace) -> Architecture:
    """One text, such as a genotype, or a word a choice."""
    try:
        return space.read([line])
    except ValueError:
        if len(line.split()) == 1:
            raise
        return space.read(line.split())
