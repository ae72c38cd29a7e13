"""Candidates by cost and score, and which one was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
}


def draw_pareto(
    path: Path, candidates: Sequence[Mapping[str, Any]], target: float, unit: str
) -> None:
    """Draws cost against mIoU.

    Args:
        path: the PNG file.
        candidates: each with `cost` (in `unit`), `miou` (0 to 1), `kind` (sampled, argmax or
            random), `chosen` and `on_front`.
        target: the cost that the chosen network may have.
        unit: of the costs, such as GMACs.

    Raises:
        OSError: the file could not be written.
    """
    figure = new_figure(7.5, 4.8)
    axes = figure.add_subplot()
    quiet(axes)
    for kind, (label, colour, marker, size) in KINDS.items():
        group = [candidate for candidate in candidates if candidate["kind"] == kind]
        if group:
            axes.scatter(
                [candidate["cost"] for candidate in group],
                [100 * candidate["miou"] for candidate in group],
                s=size,
                c=colour,
                marker=marker,
                label=f"{label} ({len(group)})",
                alpha=0.85,
                linewidths=1.2 if marker == "x" else 0.0,
            )
    front = sorted((c["cost"], 100 * c["miou"]) for c in candidates if c["on_front"])
    if front:
        costs, scores = zip(*front, strict=True)
        axes.step(costs, scores, where="post", color=BLUE, lw=1.2, zorder=1, label="Pareto front")
    for candidate in candidates:
        if candidate["chosen"]:
            cost, score = candidate["cost"], 100 * candidate["miou"]
            label = f"chosen: {score:.1f} % at {cost:.3g} {unit}"
            axes.plot(
                cost, score, "o", ms=13, mfc="none", mec=VERMILION, mew=2.2, ls="", label=label
            )
    axes.axvline(target, color=INK, lw=1.2, ls="--", label=f"target {target:g} {unit}")
    axes.set_xlabel(f"cost ({unit})", fontsize=9, color=INK)
    axes.set_ylabel("mIoU (%), inherited weights", fontsize=9, color=INK)
    axes.grid(color="#EEEEEE", lw=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    save_figure(figure, path)
