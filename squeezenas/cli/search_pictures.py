"""The pictures of a finished search."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from squeezenas.core.reading import read_json_lines
from squeezenas.core.space import ChainSpace
from squeezenas.report.architecture import draw_architecture
from squeezenas.report.cells import animate_cells, draw_cells
from squeezenas.report.curves import draw_curves
from squeezenas.report.pareto import Point, draw_pareto
from squeezenas.report.probabilities import draw_probabilities
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.select import Selection


def draw_search(folder: Path, searching: OneShotSearch, selection: Selection) -> None:
    """Draws the chosen network, the distribution, the candidates and the metrics into a run folder.

    Raises:
        OSError: a picture cannot be written.
    """
    parts, cost = searching.parts, searching.parts.config.regime.cost
    target = cost.target if cost else None
    _draw_network(folder, searching, selection)
    _draw_distribution(folder, searching)
    points = [
        Point(one.cost, one.score, one.kind, one is selection.chosen, one.architecture in front)
        for front in [selection.front]
        for one in selection.candidates
    ]
    draw_pareto(folder / "pareto.png", points, target, parts.unit, selection.figure)
    rows = read_json_lines(folder / "metrics.jsonl")
    draw_curves(folder / "curves.png", rows, target, parts.unit)


def _draw_network(folder: Path, searching: OneShotSearch, selection: Selection) -> None:
    parts, chosen, figure = searching.parts, selection.chosen, selection.figure
    space, regime = parts.space, parts.config.regime
    assert chosen.report is not None
    title = (
        f"{folder.name}: {chosen.cost:.4g} {parts.unit}, inherited {figure.label} "
        f"{figure.text(chosen.report, 1)}"
    )
    if isinstance(space, ChainSpace):
        keys = [choice.key for choice in space.choices]
        resolution = regime.cost.resolution if regime.cost else regime.crop
        shapes = [space.candidate_input(key, *resolution) for key in keys]
        options = space.write(chosen.architecture)
        draw_architecture(folder / "architecture.png", options, keys, shapes, title)
    if cells := space.cells(chosen.architecture):
        for suffix in ("png", "svg"):
            draw_cells(folder / f"cells.{suffix}", cells, title)
    if cells and regime.animation:
        frames = [
            (f"epoch {epoch}", space.cells(space.derive(rows)))
            for epoch, rows in enumerate(searching.history, 1)
        ]
        animate_cells(folder / "cells.gif", frames)


def _draw_distribution(folder: Path, searching: OneShotSearch) -> None:
    """Choices whose options have other names share the rows of the picture by their number."""
    choices, history = searching.parts.space.choices, searching.history
    longest = max((choice.options for choice in choices), key=len)
    named = all(choice.options == longest[: len(choice.options)] for choice in choices)
    options = longest if named else [f"option {number}" for number in range(len(longest))]
    table = np.full((len(history), len(choices), len(longest)), np.nan)
    for epoch, rows in enumerate(history):
        for position, choice in enumerate(choices):
            table[epoch, position, : len(rows[choice.key])] = rows[choice.key]
    keys = [choice.key for choice in choices]
    draw_probabilities(folder / "probabilities.png", table, options, keys)
