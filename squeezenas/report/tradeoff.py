"""Networks by latency and score, each in every way it was run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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

LOOKS = tuple(zip((BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY), "osD^vP", strict=True))


class Point(NamedTuple):
    """One network run in one way: median and interquartile range in ms, the score in percent."""

    name: str
    way: str
    milliseconds: float
    iqr: float
    score: float


def front(points: Sequence[Point]) -> list[Point]:
    """The Pareto front, fastest first: no other point is as fast and better."""
    found: list[Point] = []
    for point in sorted(points, key=lambda one: (one.milliseconds, -one.score)):
        if not found or point.score > found[-1].score:
            found.append(point)
    return found


def draw_tradeoff(path: Path, points: Sequence[Point], score: str, title: str) -> None:
    """Draws latency (logarithmic) against the score, a look for each way, and the Pareto front.

    Args:
        path: the PNG file.
        points: what was measured, at least one.
        score: what the score is.
        title: size, device and threads.

    Raises:
        OSError: the file could not be written.
    """
    figure = new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    quiet(axes, title)
    best = front(points)
    axes.step(
        [point.milliseconds for point in best], [point.score for point in best],
        where="post", color=GREY, lw=1.2, zorder=1, label="Pareto front",
    )  # fmt: skip
    for number, way in enumerate(dict.fromkeys(point.way for point in points)):
        colour, marker = LOOKS[number % len(LOOKS)]
        group = [point for point in points if point.way == way]
        axes.errorbar(
            [point.milliseconds for point in group], [point.score for point in group],
            xerr=[point.iqr / 2 for point in group],
            fmt=marker, ms=6, color=colour, elinewidth=1, label=way,
        )  # fmt: skip
    for name in dict.fromkeys(point.name for point in points):
        quickest = min((p for p in points if p.name == name), key=lambda one: one.milliseconds)
        axes.annotate(
            name, (quickest.milliseconds, quickest.score),
            xytext=(0, 7), textcoords="offset points", fontsize=8, color=INK,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", labelsize=8)
    axes.set_xlabel("latency (ms, median; bars: interquartile range)", fontsize=9, color=INK)
    axes.set_ylabel(score, fontsize=9, color=INK)
    axes.margins(x=0.12, y=0.12)
    axes.grid(color="#EEEEEE", lw=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    save_figure(figure, path)
