"""How search curves are computed: the mean over seeds of the best so far, and what differs.

Never the best of the mean: that would give a strategy with one lucky seed its luck.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
CONFIDENCE = 0.95


def best_so_far(merits: ArrayLike) -> Array:
    """The best merit up to each evaluation.

    Args:
        merits: `(seeds, evaluations)`; NaN where one failed.

    Returns:
        The same shape; NaN as long as all failed.
    """
    return np.fmax.accumulate(np.asarray(merits, dtype=np.float64), axis=1)


def mean_and_band(values: ArrayLike) -> tuple[Array, Array]:
    """Mean over seeds, and half the width of its 95 % confidence band.

    The band is Student's, from the standard error of the mean.

    Args:
        values: `(seeds, points)`, at least two seeds.

    Returns:
        Both `(points,)`; NaN where a seed has nothing yet.
    """
    from scipy import stats

    rows = np.asarray(values, dtype=np.float64)
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    return rows.mean(axis=0), stats.t.ppf((1 + CONFIDENCE) / 2, len(rows) - 1) * error


def at_costs(best: ArrayLike, costs: ArrayLike, points: int) -> tuple[Array, Array]:
    """The best so far where as much was spent.

    Args:
        best: best so far, `(seeds, evaluations)`.
        costs: of each evaluation, same shape.
        points: how many.

    Returns:
        Costs `(points,)`, from where every seed has finished one evaluation to where the first has
        no more, and what each seed has found for that `(seeds, points)`.
    """
    found, spent = np.asarray(best), np.cumsum(costs, axis=1)
    grid = np.linspace(spent[:, 0].max(), spent[:, -1].min(), points)
    rows = [
        row[np.searchsorted(ends, grid, side="right") - 1]
        for row, ends in zip(found, spent, strict=True)
    ]
    return grid, np.stack(rows)


def paired(a: ArrayLike, b: ArrayLike) -> float:
    """Wilcoxon's signed-rank test of two strategies on the same seeds, two-sided: its p."""
    from scipy import stats

    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """The p values adjusted for their number (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted
