"""How a search or a training went: its logged metrics over steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from squeezenas.report.canvas import BLUE, FAINT, INK, VERMILION, new_figure, quiet, save_figure

PANELS = {
    "search/loss": "loss of the weights",
    "architecture/loss": "loss of the architecture",
    "search/miou": "mIoU of the supernet (%)",
    "search/top1": "top-1 accuracy of the supernet (%)",
    "search/perplexity": "perplexity of the supernet",
    "architecture/reward": "reward of sampled architectures",
    "architecture/expected_cost": "expected cost",
    "architecture/entropy": "entropy of the architecture",
    "architecture/skips": "expected number of skips",
    "architecture/temperature": "temperature",
    "architecture/eigenvalue": "largest eigenvalue of the architecture",
    "train/loss": "training loss",
    "train/miou": "training mIoU (%)",
    "train/top1": "training top-1 accuracy (%)",
    "train/perplexity": "training perplexity",
    "val/miou": "validation mIoU (%)",
    "val/top1": "validation top-1 accuracy (%)",
    "val/perplexity": "validation perplexity",
    "train/lr": "learning rate",
}
"""Metrics that get a panel when they were logged, in this order."""

SMOOTHED = ("search/loss", "architecture/loss", "train/loss")
POINTS = 60


def draw_curves(
    path: Path, rows: Sequence[Mapping[str, Any]], target: float | None = None, unit: str = ""
) -> None:
    """Draws a panel a metric.

    Args:
        path: the PNG file.
        rows: lines of `metrics.jsonl`: `step` and metrics; None where one was not finite.
        target: the cost to be met, drawn beside the expected cost.
        unit: of the costs.

    Raises:
        OSError: the file could not be written.
    """
    series = {key: found for key in PANELS if (found := _points(rows, key))}
    columns = min(3, max(len(series), 1))
    lines = -(-max(len(series), 1) // columns)
    figure = new_figure(4.1 * columns, 2.5 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(series) :]:
        axes.axis("off")
    for axes, (key, points) in zip(grid, series.items(), strict=False):
        scale = 100 if PANELS[key].endswith("(%)") else 1
        steps, values = [x for x, _ in points], [scale * y for _, y in points]
        smooth = key in SMOOTHED and len(points) > POINTS
        axes.plot(steps, values, color=FAINT if smooth else BLUE, lw=0.8 if smooth else 1.6)
        if smooth:
            axes.plot(*_means(steps, values), color=BLUE, lw=1.8)
        if len(points) == 1:
            axes.plot(steps, values, "o", color=BLUE)
        title = PANELS[key]
        if key == "architecture/expected_cost":
            title += f" ({unit})" if unit else ""
            if target is not None:
                axes.axhline(target, color=VERMILION, lw=1.2, ls="--")
                axes.annotate(
                    f"target {target:g}",
                    (1, target),
                    xycoords=("axes fraction", "data"),
                    xytext=(0, 3),
                    textcoords="offset points",
                    ha="right",
                    fontsize=8,
                    color=VERMILION,
                )
        quiet(axes, title)
    for axes in grid[max(len(series) - columns, 0) : len(series)]:
        axes.set_xlabel("step", fontsize=8.5, color=INK)
    save_figure(figure, path)


def _points(rows: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    """(step, value) wherever the metric was logged; a gap where it was not finite."""
    return [
        (row["step"], math.nan if row[key] is None else float(row[key]))
        for row in rows
        if key in row
    ]


def _means(steps: Sequence[int], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Means of about `POINTS` equal runs of the finite points."""
    points = [(x, y) for x, y in zip(steps, values, strict=True) if math.isfinite(y)]
    size = max(len(points) // POINTS, 1)
    runs = [points[start : start + size] for start in range(0, len(points), size)]
    return (
        [sum(x for x, _ in run) / len(run) for run in runs],
        [sum(y for _, y in run) / len(run) for run in runs],
    )
