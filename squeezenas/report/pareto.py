"""Candidates by cost and score, and which one was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from squeezenas.core.figures import Figure
from squeezenas.report.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    VERMILION,
    new_figure,
    quiet,
    save_figure,
)

KINDS = {
    "random": ("random, same cost", GREY, "x", 28),
    "sampled": ("sampled from the search", BLUE, "o", 26),
    "argmax": ("most likely (argmax)", ORANGE, "^", 75),
    "evaluated": ("evaluated", BLUE, "o", 26),
}


class Point(NamedTuple):
    """A candidate: its cost and score, its kind (of `KINDS`), and what is special about it."""

    cost: float
    score: float
    kind: str
    chosen: bool
    on_front: bool


def draw_pareto(
    path: Path,
    candidates: Sequence[Point],
    target: float | None,
    unit: str,
    figure_of: Figure,
    weights: str = "inherited weights",
) -> None:
    """Draws cost against score.

    Args:
        path: the PNG file.
        candidates: what is drawn.
        target: the cost that the chosen network may have, if there is a limit.
        unit: of the costs, such as GMACs.
        figure_of: what the score is.
        weights: what it was measured with.

    Raises:
        OSError: the file could not be written.
    """
    figure = new_figure(7.5, 4.8)
    axes = figure.add_subplot()
    quiet(axes)
    scale, sign = (100, " %") if figure_of.percent else (1, "")
    for kind, (label, colour, marker, size) in KINDS.items():
        group = [candidate for candidate in candidates if candidate.kind == kind]
        if group:
            axes.scatter(
                [candidate.cost for candidate in group],
                [scale * candidate.score for candidate in group],
                s=size,
                c=colour,
                marker=marker,
                label=f"{label} ({len(group)})",
                alpha=0.85,
                linewidths=1.2 if marker == "x" else 0.0,
            )
    front = sorted((c.cost, scale * c.score) for c in candidates if c.on_front)
    if front:
        costs, scores = zip(*front, strict=True)
        axes.step(costs, scores, where="post", color=BLUE, lw=1.2, zorder=1, label="Pareto front")
    for candidate in candidates:
        if candidate.chosen:
            cost, score = candidate.cost, scale * candidate.score
            label = f"chosen: {score:.1f}{sign} at {cost:.3g} {unit}"
            axes.plot(
                cost, score, "o", ms=13, mfc="none", mec=VERMILION, mew=2.2, ls="", label=label
            )
    if target is not None:
        axes.axvline(target, color=INK, lw=1.2, ls="--", label=f"target {target:g} {unit}")
    axes.set_xlabel(f"cost ({unit})", fontsize=9, color=INK)
    axes.set_ylabel(f"{figure_of.label}{sign}, {weights}", fontsize=9, color=INK)
    axes.grid(color="#EEEEEE", lw=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    save_figure(figure, path)
