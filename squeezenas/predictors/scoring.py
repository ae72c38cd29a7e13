"""Predictors on repeated splits of evaluated architectures."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np

from squeezenas.core.architecture import Architecture
from squeezenas.predictors.measures import TOP, measures
from squeezenas.predictors.predictor import Array, Predictor


class Split(NamedTuple):
    """Rows that are learned from, and rows that are predicted; no row is both."""

    training: Array
    test: Array


def split(total: int, n: int, test: int, seed: int) -> Split:
    """A random split of rows.

    Args:
        total: rows there are.
        n: rows to learn from.
        test: rows to predict; 0, or more than there are: all others.
        seed: of the draw.

    Raises:
        ValueError: fewer than two rows are left to predict.
    """
    if total - n < 2:
        raise ValueError(
            f"n={n} of {total} architectures leaves {max(total - n, 0)} to predict; at least 2 are "
            "needed, lower n"
        )
    rows = np.random.default_rng(seed).permutation(total)
    return Split(rows[:n], rows[n : n + test] if test else rows[n:])


def scored(
    predictor: Predictor,
    architectures: Sequence[Architecture],
    values: Array,
    rows: Split,
    top: Sequence[int] = TOP,
    unit: float = 1.0,
) -> dict[str, float]:
    """What `measures` says of a predictor on one split, and `seconds` of learning.

    Args:
        predictor: learns anew.
        architectures: all of them.
        values: theirs, `(architectures,)`; higher is better.
        rows: which to learn from and which to predict.
        top: numbers K of best predicted ones.
        unit: what values are multiplied by before they are measured; 100 makes shares percent.
    """
    start = perf_counter()
    predictor.fit([architectures[row] for row in rows.training], values[rows.training])
    seconds = perf_counter() - start
    predicted = predictor.predict([architectures[row] for row in rows.test])
    return measures(unit * values[rows.test], unit * predicted, top) | {"seconds": seconds}
