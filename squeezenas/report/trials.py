"""How an ask/tell search went: every evaluation, and the best so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from squeezenas.core.figures import Figure
from squeezenas.report.canvas import BLUE, GREY, INK, new_figure, quiet, save_figure


def draw_trials(path: Path, values: Sequence[float], figure_of: Figure) -> None:
    """Draws values in order of finishing.

    Args:
        path: the PNG file.
        values: one a finished evaluation.
        figure_of: what they are.

    Raises:
        OSError: the file could not be written.
    """
    figure = new_figure(7.5, 4.2)
    axes = figure.add_subplot()
    quiet(axes)
    scale, sign = (100, " (%)") if figure_of.percent else (1, "")
    shown = [scale * value for value in values]
    better = max if figure_of.higher_is_better else min
    counts = range(1, len(shown) + 1)
    axes.scatter(counts, shown, s=14, c=GREY, linewidths=0, label="evaluated")
    axes.step(counts, list(accumulate(shown, better)), where="post", color=BLUE, lw=1.8,
              label="best so far")  # fmt: skip
    axes.set_xlabel("evaluations", fontsize=9, color=INK)
    axes.set_ylabel(f"{figure_of.label}{sign}", fontsize=9, color=INK)
    axes.grid(color="#EEEEEE", lw=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    save_figure(figure, path)
