"""A distribution over options as a small picture, for sinks that show one an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CELL = 12
"""Pixels of a side of one option of one choice."""

COLOURS = "cividis"


def heat_map(rows: Sequence[Sequence[float]]) -> NDArray[np.uint8]:
    """RGB `(H, W, 3)`: a column a choice, its first option on top; options it lacks are white.

    Args:
        rows: probabilities, a row a choice.
    """
    from matplotlib import colormaps

    table = np.full((max(map(len, rows)), len(rows)), np.nan)
    for column, row in enumerate(rows):
        table[: len(row), column] = row
    colours = colormaps[COLOURS].with_extremes(bad="white")
    pixels = colours(np.ma.masked_invalid(table), bytes=True)[..., :3]
    return np.kron(pixels, np.ones((CELL, CELL, 1), np.uint8))
