"""How good predictions are: errors, ranks, and the regret of trusting the best of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

TOP = (1, 10, 100)


def measures(values: ArrayLike, predicted: ArrayLike, top: Sequence[int] = TOP) -> dict[str, float]:
    """The figures of predictions for architectures that were not learned from.

    Args:
        values: what they are worth, `(n,)`; higher is better.
        predicted: what was said, `(n,)`.
        top: numbers K of best predicted architectures.

    Returns:
        `mse` in squared units of the values; `r2`; `kendall` (tau-b) and `spearman` rank
        correlation, 0 where all predictions are equal; and `regret@K`: how much better the best of
        all is than the best of the K best predicted, in units of the values.
    """
    from scipy.stats import kendalltau, spearmanr
    from sklearn.metrics import mean_squared_error, r2_score

    known, said = np.asarray(values, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    ranked = bool(np.ptp(known) and np.ptp(said))
    order = np.argsort(-said, kind="stable")
    return {
        "mse": float(mean_squared_error(known, said)),
        "r2": float(r2_score(known, said)),
        "kendall": float(kendalltau(known, said).statistic) if ranked else 0.0,
        "spearman": float(spearmanr(known, said).statistic) if ranked else 0.0,
        **{f"regret@{k}": float(known.max() - known[order[:k]].max()) for k in top},
    }
