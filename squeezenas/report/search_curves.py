"""Strategies by the mean of their best so far, each with its confidence band."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from squeezenas.ask_tell.ranking import Curve
from squeezenas.core.figures import Figure
from squeezenas.report.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    new_figure,
    quiet,
    save_figure,
)

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
STYLES = ("-", "--", ":")
LEFT_OUT = 0.25  # share of the axis below which a curve's steep beginning may fall


def draw_search_curves(
    path: Path,
    against_evaluations: Sequence[Curve],
    against_cost: Sequence[Curve],
    figure: Figure,
    top: float,
    title: str,
) -> None:
    """Draws a panel for evaluations, and one for seconds where these are known.

    Args:
        path: the PNG file.
        against_evaluations: curves, the best first; at least one.
        against_cost: curves against seconds, or none.
        figure: what the curves are of.
        top: the table's best.
        title: what was searched, and how often.

    Raises:
        OSError: the file could not be written.
    """
    panels = [("evaluations", against_evaluations)]
    if against_cost:
        panels.append(("seconds of evaluations, by the table", against_cost))
    canvas = new_figure(6.4 * len(panels) + 1.6, 5.0)
    scale = 100 if figure.percent else 1
    labels = [curve.label for curve in against_evaluations]
    for axes, (unit, curves) in zip(
        canvas.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        quiet(axes, title if unit == "evaluations" else "")
        for curve in curves:
            number = labels.index(curve.label)
            look = {
                "color": COLOURS[number % len(COLOURS)],
                "ls": STYLES[number // len(COLOURS) % len(STYLES)],
            }
            mean, half = scale * curve.mean, scale * curve.half
            axes.plot(curve.at, mean, lw=1.6, label=curve.label, **look)
            axes.fill_between(
                curve.at, mean - half, mean + half, color=look["color"], alpha=0.13, lw=0
            )
        axes.axhline(scale * top, color=GREY, lw=1.0, ls=(0, (1, 2)), label="best of the table")
        axes.set_ylim(*_limits([scale * curve.mean for curve in curves], scale * top))
        axes.set_xlabel(unit, fontsize=9, color=INK)
        axes.set_ylabel(
            f"{figure.label}{' (%)' if figure.percent else ''}, mean of best so far",
            fontsize=9,
            color=INK,
        )
        axes.grid(color="#EEEEEE", lw=0.8)
        axes.set_axisbelow(True)
    lines, names = canvas.axes[0].get_legend_handles_labels()
    canvas.legend(lines, names, loc="outside right upper", frameon=False, fontsize=8)
    save_figure(canvas, path)


def _limits(means: Sequence[np.ndarray], top: float) -> tuple[float, float]:
    """From where all curves are in their last three quarters to a little above the table's best."""
    later = np.concatenate([mean[int(LEFT_OUT * len(mean)) :] for mean in means])
    distance = np.nanmax(np.abs(later - top)) or 1.0
    below = np.sign(top - np.nanmean(later)) or 1.0
    ends = sorted((top - below * 1.6 * distance, top + below * 0.1 * distance))
    return float(ends[0]), float(ends[1])
