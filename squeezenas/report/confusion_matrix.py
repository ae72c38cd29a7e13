"""Which class is taken for which: the confusion matrix, each row in shares of its labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from squeezenas.report.canvas import FAINT, INK, new_figure, save_figure

MOST_NUMBERS = 30
"""With more classes the cells are too small for a number."""


def draw_confusion_matrix(
    path: Path, counts: NDArray[np.int64], class_names: Sequence[str], title: str = ""
) -> None:
    """Draws labels as rows and predictions as columns; numbers are percent of a row's pixels.

    Rows of classes that are in no label stay grey.

    Args:
        path: the PNG file.
        counts: pixels, `(classes, classes)` or with a last column of predictions that are no class.
        class_names: name of each class.
        title: what stands above.

    Raises:
        ValueError: not a row and a column for each name.
        OSError: the file could not be written.
    """
    classes = len(class_names)
    columns = [*class_names, "(no class)"][: counts.shape[-1]]
    if counts.shape not in ((classes, classes), (classes, classes + 1)):
        raise ValueError(f"counts of shape {counts.shape} do not fit {classes} classes")
    if not counts[:, classes:].any():
        counts, columns = counts[:, :classes], columns[:classes]
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, rows, where=rows > 0, out=np.full(counts.shape, np.nan))
    side = min(max(0.42 * classes, 3.0), 20.0)
    figure = new_figure(side + 2.2, side + 1.6)
    axes = figure.add_subplot()
    axes.set_facecolor(FAINT)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.set_title(title, fontsize=9.5, color=INK, loc="left")
    size = 8 if classes <= MOST_NUMBERS else max(2.0, 240 / classes)
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
    axes.set_yticks(range(classes), class_names, fontsize=size)
    axes.tick_params(colors=INK, length=0)
    axes.set_xlabel("prediction", fontsize=8.5, color=INK)
    axes.set_ylabel("label", fontsize=8.5, color=INK)
    axes.spines[:].set_visible(False)
    if classes <= MOST_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.5:  # less would be written 0
                colour = "white" if share > 60 else INK
                axes.text(
                    column, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color=colour
                )
    save_figure(figure, path)
