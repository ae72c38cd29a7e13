"""What a search maximises, where accuracy and cost both count."""

from __future__ import annotations

from squeezenas.core.ask_tell_config import Objective
from squeezenas.core.figures import Figure


def merit(objective: Objective, figure: Figure, value: float, cost: float | None) -> float:
    """What is maximised, from an architecture's figure and cost.

    `penalty` is MnasNet's weighted product (arXiv:1807.11626, eq. 2): the figure times
    (cost / target)^w, with w from `exponent` above the target and `exponent_below` under it. Where
    lower figures are better, it is minus the figure divided by that factor.
    """
    if objective.kind != "penalty":
        return figure.merit(value)
    assert cost is not None
    assert objective.target is not None
    ratio = cost / objective.target
    factor = ratio ** (objective.exponent if ratio > 1 else objective.exponent_below)
    return value * factor if figure.higher_is_better else -value / factor
