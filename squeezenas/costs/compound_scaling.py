"""Compound scaling: depth, width and resolution grow together (EfficientNet, arXiv:1905.11946).

With a compound coefficient phi (eq. 3) depth grows by alpha^phi, width by beta^phi and resolution
by gamma^phi. Multiply-accumulates grow by about alpha * beta^2 * gamma^2 a step of phi, and the
paper chooses coefficients with which that is about 2.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

TOLERANCE = 0.05
"""How far from a factor of 2 coefficients may be; the paper's own are 4 % below it."""
STEPS = 100  # of phi, to meet a budget


class Factors(NamedTuple):
    """By how much each side of a network grows; those of a step of phi are the coefficients.

    Args:
        depth: units a stage (alpha).
        width: channels (beta).
        resolution: height and width of the image (gamma).
    """

    depth: float = 1.2
    width: float = 1.1
    resolution: float = 1.15

    @property
    def growth(self) -> float:
        """By how much multiply-accumulates grow, before anything is rounded."""
        return self.depth * self.width**2 * self.resolution**2

    def after(self, phi: float) -> Factors:
        """The factors of so many steps (eq. 3), without the last digits of floats."""
        return Factors(*(round(float(factor**phi), 9) for factor in self))


def doubles(growth: float) -> bool:
    """Whether a network costs about twice as much as another."""
    return abs(growth / 2 - 1) <= TOLERANCE


def grid(step: float) -> list[Factors]:
    """The coefficients from 1 in such steps that double the cost by the formula.

    The nearest to 2 are first. Which of them are best the formula cannot tell: the paper trains a
    network with each (section 3.3, step 1).
    """
    sides = [round(1 + step * n, 9) for n in range(math.floor((1 + 2 * TOLERANCE) / step) + 1)]
    every = (Factors(*sides) for sides in product(sides, repeat=3))
    return sorted((f for f in every if doubles(f.growth)), key=lambda f: abs(f.growth - 2))


def largest_phi(cost: Callable[[float], float], budget: float) -> float:
    """The largest phi, to two decimals, that costs at most the budget.

    Args:
        cost: what the network of a phi costs; it never falls, and outgrows every budget.
        budget: in its unit.

    Raises:
        ValueError: phi 0 costs more.
    """
    if cost(0) > budget:
        raise ValueError(
            f"budget={budget:g}: the network costs {cost(0):.4g} before it is scaled; raise the "
            "budget"
        )
    beyond = 1
    while cost(beyond / STEPS) <= budget:
        beyond *= 2
    return (bisect_right(range(beyond), budget, key=lambda n: cost(n / STEPS)) - 1) / STEPS
