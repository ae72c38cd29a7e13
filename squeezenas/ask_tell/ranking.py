"""What a comparison of strategies found: their curves, what they lack to the best, and tests.

Seeds are paired in the tests: with the same seed, strategies that begin with random architectures
begin with the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from squeezenas.ask_tell.best_so_far import (
    Array,
    at_costs,
    best_so_far,
    holm,
    mean_and_band,
    paired,
)
from squeezenas.ask_tell.compare import Entry, Trace
from squeezenas.data.tables import BenchmarkTable

COST_POINTS = 200
BASELINE = "random"


@dataclass(frozen=True)
class Curve:
    """The mean of the best so far, in the figure's own unit.

    Args:
        label: of the strategy.
        at: evaluations, or seconds of them.
        mean: over seeds.
        half: half the width of the 95 % band.
    """

    label: str
    at: Array
    mean: Array
    half: Array


@dataclass(frozen=True)
class Reported:
    """Mean of a figure that was not searched for, half its interval, and the mean regret in it."""

    value: float
    half: float
    regret: float


@dataclass(frozen=True)
class Standing:
    """A strategy after a budget.

    Args:
        label: of the strategy.
        seeds: how many searches.
        value: mean figure of what was found.
        half: half the width of its 95 % confidence interval.
        regret: mean difference to the table's best architecture.
        regrets: of each seed.
        reported: the other figure of what was found; None where none is asked for.
        p_best: Wilcoxon's p against the strategy of the least regret, adjusted after Holm; None
            for itself.
        p_random: against random search; None for itself, or where that was left out.
        thinking: milliseconds a trial that the strategy itself took, up to the largest budget.
    """

    label: str
    seeds: int
    value: float
    half: float
    regret: float
    regrets: list[float]
    reported: Reported | None
    p_best: float | None
    p_random: float | None
    thinking: float


Traces = Mapping[str, Sequence[Trace]]


def curves(table: BenchmarkTable, figure: str, traces: Traces) -> list[Curve]:
    """Against evaluations."""
    found = []
    for label, own in traces.items():
        mean, half = mean_and_band(_best(table, figure, own))
        at = np.arange(1, len(mean) + 1, dtype=np.float64)
        found.append(Curve(label, at, table.figures[figure].merit(1) * mean, half))
    return found


def cost_curves(table: BenchmarkTable, figure: str, traces: Traces) -> list[Curve]:
    """Against the seconds that the table says evaluations took; none where it does not say."""
    found = []
    for label, own in traces.items():
        if all(trace.costs for trace in own):
            costs = [trace.costs for trace in own]
            at, values = at_costs(_best(table, figure, own), costs, COST_POINTS)
            mean, half = mean_and_band(values)
            found.append(Curve(label, at, table.figures[figure].merit(1) * mean, half))
    return found


def standings(
    table: BenchmarkTable, figure: str, report: str, budgets: Sequence[int], traces: Traces
) -> dict[int, list[Standing]]:
    """The strategies after each budget, the least regret first.

    Args:
        table: what was searched.
        figure: what was searched for.
        report: the other figure, or empty.
        budgets: evaluations.
        traces: all searches of each strategy, in order of seeds; at least one strategy.
    """
    merit = table.figures[figure].merit
    top = _top(table, figure)
    best = {label: _best(table, figure, own) for label, own in traces.items()}
    found = {}
    for place, budget in enumerate(budgets):
        regrets = {label: top - rows[:, budget - 1] for label, rows in best.items()}
        order = sorted(regrets, key=lambda label: regrets[label].mean())
        against_best = _against(order[0], regrets)
        against_random = _against(BASELINE, regrets) if BASELINE in regrets else {}
        rows = []
        for label in order:
            own = traces[label]
            mean, half = mean_and_band(merit(1) * best[label][:, budget - 1 : budget])
            reported = _reported(table, report, [trace.reported for trace in own], place)
            rows.append(
                Standing(
                    label=label,
                    seeds=len(own),
                    value=float(mean[0]),
                    half=float(half[0]),
                    regret=float(regrets[label].mean()),
                    regrets=regrets[label].tolist(),
                    reported=reported,
                    p_best=against_best.get(label),
                    p_random=against_random.get(label),
                    thinking=1000 * fmean(trace.thinking / len(trace.values) for trace in own),
                )
            )
        found[budget] = rows
    return found


def document(curve: Curve) -> dict[str, Any]:
    """A curve in JSON values."""
    series = {"at": curve.at, "mean": curve.mean, "half": curve.half}
    return {
        name: [None if np.isnan(v) else round(v, 6) for v in values.tolist()]
        for name, values in series.items()
    }


def by_seed(outcomes: Sequence[tuple[Entry, int, Trace]]) -> dict[str, list[Trace]]:
    """The searches of each strategy in order of seeds, strategies in order of labels."""
    found: dict[str, list[Trace]] = {}
    for entry, _, trace in sorted(outcomes, key=lambda one: (one[0].label, one[1])):
        found.setdefault(entry.label, []).append(trace)
    return found


def _best(table: BenchmarkTable, figure: str, traces: Sequence[Trace]) -> Array:
    """Best merits so far, `(seeds, evaluations)`."""
    sign = table.figures[figure].merit(1)
    return best_so_far(sign * np.array([trace.values for trace in traces]))


def _top(table: BenchmarkTable, figure: str) -> float:
    """The merit of the table's best architecture."""
    return float((table.figures[figure].merit(1) * table.column(figure)).max())


def _against(rival: str, regrets: Mapping[str, Array]) -> dict[str, float]:
    """Adjusted p of every other strategy against one, on the seeds that both have."""
    others = [label for label in regrets if label != rival]
    tests = []
    for label in others:
        both = min(len(regrets[label]), len(regrets[rival]))
        tests.append(paired(regrets[label][:both], regrets[rival][:both]))
    return dict(zip(others, holm(tests), strict=True))


def _reported(
    table: BenchmarkTable, report: str, values: Sequence[Sequence[float]], place: int
) -> Reported | None:
    if not report:
        return None
    mean, half = mean_and_band([[row[place]] for row in values])
    value = float(mean[0])
    regret = _top(table, report) - table.figures[report].merit(value)
    return Reported(value, float(half[0]), regret)
