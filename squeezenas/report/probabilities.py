"""What the search believes: probability of every option of every unit, at the end and over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from squeezenas.report.canvas import BLUE, GREY, INK, new_figure, quiet, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MULTIPLES_A_ROW = 11
COLOURS = "cividis"


def draw_probabilities(
    path: Path, history: NDArray[np.floating], options: Sequence[str], keys: Sequence[str]
) -> None:
    """Draws the final probabilities, their entropy over time, and each unit's options over time.

    Args:
        path: the PNG file.
        history: probabilities, shape `(epochs, units, options)`; NaN where a unit lacks an option.
        options: name of each option.
        keys: name of each unit.

    Raises:
        ValueError: the shape of `history` does not agree with the names.
        OSError: the file could not be written.
    """
    if history.ndim != 3 or history.shape[1:] != (len(keys), len(options)) or not len(history):
        raise ValueError(
            f"history has shape {history.shape}, expected (epochs, {len(keys)}, {len(options)})"
        )
    rows = -(-len(keys) // MULTIPLES_A_ROW)
    figure = new_figure(12.5, 0.24 * len(options) + 1.5 + 1.35 * rows)
    heights = [0.24 * len(options) + 1.5, 1.35 * rows]
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    final, entropy = top.subplots(1, 2, width_ratios=[2.6, 1])
    _draw_final(final, history[-1], options, keys)
    top.colorbar(final.images[0], ax=final, pad=0.01, aspect=30).ax.tick_params(labelsize=8)
    _draw_entropy(entropy, history)
    cells = np.ravel(bottom.subplots(rows, min(MULTIPLES_A_ROW, len(keys)), squeeze=False))
    bottom.suptitle(
        f"over {len(history)} epochs (options from top to bottom as above)",
        fontsize=9.5,
        x=0.01,
        ha="left",
        color=INK,
    )
    for cell in cells[len(keys) :]:
        cell.axis("off")
    for unit, (cell, key) in enumerate(zip(cells, keys, strict=False)):
        cell.imshow(
            history[:, unit].T, vmin=0, vmax=1, cmap=COLOURS, aspect="auto", interpolation="nearest"
        )
        cell.set_title(key, fontsize=8, color=INK, pad=3)
        cell.set_xticks([])
        cell.set_yticks([])
        cell.spines[:].set_visible(False)
    save_figure(figure, path)


def _draw_final(
    axes: Axes, probabilities: NDArray[np.floating], options: Sequence[str], keys: Sequence[str]
) -> None:
    axes.imshow(
        probabilities.T, vmin=0, vmax=1, cmap=COLOURS, aspect="auto", interpolation="nearest"
    )
    quiet(axes, "final probability (○ most likely)")
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(len(keys)), keys, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(options)), options)
    for unit, row in enumerate(np.nan_to_num(probabilities, nan=-1.0)):
        best = int(row.argmax())
        ink = "black" if row[best] > 0.5 else "white"
        axes.plot(unit, best, "o", mfc="none", mec=ink, ms=7, mew=1.5)


def _draw_entropy(axes: Axes, history: NDArray[np.floating]) -> None:
    """Entropy relative to the uniform distribution: 1 is undecided, 0 decided."""
    known = np.clip(np.nan_to_num(history), 1e-12, 1.0)
    count = np.maximum((~np.isnan(history)).sum(axis=2), 2)
    entropy = -(known * np.log(known)).sum(axis=2) / np.log(count)
    epochs = np.arange(1, len(history) + 1)
    axes.fill_between(epochs, entropy.min(1), entropy.max(1), color=GREY, alpha=0.25, lw=0)
    axes.plot(epochs, entropy.mean(1), color=BLUE, lw=2, marker="o" if len(epochs) == 1 else None)
    quiet(axes, "entropy, 1: undecided (band: all units)")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("epoch", fontsize=8.5, color=INK)
    axes.locator_params(axis="x", integer=True)
