"""Distributions over architectures: what to log of one, and one of networks of a given cost."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace
from squeezenas.costs.table import CostTable

Rows = Mapping[str, Sequence[float]]


def describe(probabilities: Mapping[str, Tensor], space: SearchSpace) -> dict[str, float]:
    """Mean entropy a choice in nats, and how many choices now prefer to skip."""
    can_skip = [choice for choice in space.choices if space.skip in choice.options]
    entropies = [float(torch.special.entr(row).sum()) for row in probabilities.values()]
    skips = sum(
        choice.options[int(probabilities[choice.key].argmax())] == space.skip for choice in can_skip
    )
    entropy = {"architecture/entropy": sum(entropies) / len(entropies)}
    return {**entropy, "architecture/skips": skips} if can_skip else entropy


def of_cost(table: CostTable, cost: float) -> dict[str, list[float]]:
    """The distribution of independent choices of largest entropy whose expected cost is `cost`.

    That is `p(option) ~ exp(-b cost(option))` with one `b` for all choices; uniform where `cost` is
    the mean over the space. `b` is found by bisection.
    """

    def tilted(b: float) -> dict[str, list[float]]:
        rows = {}
        for key, costs in table.costs.items():
            weights = [math.exp(-b * (c - (min(costs) if b > 0 else max(costs)))) for c in costs]
            rows[key] = [weight / sum(weights) for weight in weights]
        return rows

    def expected(rows: Rows) -> float:
        pairs = ((p, c) for key in rows for p, c in zip(rows[key], table.costs[key], strict=True))
        return table.fixed + math.fsum(p * c for p, c in pairs)

    dearest = max(max(costs) - min(costs) for costs in table.costs.values()) or 1.0
    low, high = -500.0 / dearest, 500.0 / dearest
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(tilted(middle)) > cost else (low, middle)
    return tilted((low + high) / 2)


def random_of_cost(
    space: SearchSpace, table: CostTable, target: float, count: int, rng: random.Random
) -> list[Architecture]:
    """Different random architectures of 90 to 100 % of `target`; fewer if so few are found."""
    rows = of_cost(table, 0.95 * target)
    found: dict[Architecture, None] = {}
    for _ in range(1000 * count):
        if len(found) == count:
            break
        picks = [rng.choices(range(len(row)), row)[0] for row in rows.values()]
        architecture = space.architecture(picks)
        if 0.9 * target <= table.of(architecture) <= target:
            found[architecture] = None
    return list(found)


def within_budget(
    architecture: Architecture, space: SearchSpace, table: CostTable, target: float, log_p: Rows
) -> Architecture:
    """The architecture itself when it costs at most `target`, else a nearby one that does.

    Again and again the one change is made that loses least log-probability for the cost it saves.
    """
    picks = list(architecture.picks)
    while table.of(space.architecture(picks)) > target:
        changes = []
        for position, choice in enumerate(space.choices):
            costs, likes = table.costs[choice.key], log_p[choice.key]
            now = picks[position]
            for option in range(len(choice.options)):
                saved = costs[now] - costs[option]
                if saved > 0:
                    changes.append(((likes[now] - likes[option]) / saved, position, option))
        if not changes:
            raise ValueError(f"no network costs at most {target:g} {table.unit}")
        _, position, option = min(changes)
        picks[position] = option
    return space.architecture(picks)
