"""Networks by cost and figure, of one search or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from squeezenas.report.page.networks import Networks
from squeezenas.report.page.plot import COLOURS, Plot, axis, label_of, layout, plain, scaled
from squeezenas.report.pareto import KINDS

MARKS = {
    "random": ("--grey", "x-thin-open", 8),
    "sampled": ("--blue", "circle", 7),
    "argmax": ("--orange", "triangle-up", 13),
    "evaluated": ("--blue", "circle", 7),
}
POINTS = 5_000
"""Points of the plot; of more networks the best, the front and every n-th of the rest."""


class Search(NamedTuple):
    """Networks of a run, the number of the first in the page's table, and the run's group."""

    networks: Networks
    begin: int
    group: str


def pareto(searches: Sequence[Search]) -> Plot:
    """Cost against figure of one search, or of several, of which each group has a colour.

    Args:
        searches: at least one.

    Returns:
        A figure whose points have the row in the table as `customdata[0]`.
    """
    first = searches[0].networks
    priced = all(any(cost is not None for cost in one.networks.costs) for one in searches)
    alone = len(searches) == 1
    traces = _search_traces(searches[0], priced) if alone else _joint_traces(searches, priced)
    x = axis(f"cost ({first.unit})" if priced else "row of the table")
    figure = layout(460, x, axis(label_of(first.figure)))
    if priced:
        figure |= _targets({one.networks.run.target for one in searches})
    return {"data": traces, "layout": figure}


def _joint_traces(searches: Sequence[Search], priced: bool) -> list[Plot]:
    """Those of all searches; a group has one entry in the legend, which hides or shows it."""
    labels = list(dict.fromkeys(search.group for search in searches))
    traces: list[Plot] = []
    for search in searches:
        begun = any(trace["legendgroup"] == search.group for trace in traces)
        colour = COLOURS[labels.index(search.group) % len(COLOURS)]
        for position, trace in enumerate(_search_traces(search, priced, colour)):
            entry = {"name": plain(search.group), "legendgroup": search.group}
            traces.append({**trace, **entry, "showlegend": not begun and position == 0})
    return traces


def _targets(targets: set[float | None]) -> Plot:
    """A line for every target."""
    shapes, notes = [], []
    for target in sorted(one for one in targets if one is not None):
        line = {"color": "--ink", "width": 1.5, "dash": "dash"}
        shapes.append({"type": "line", "x0": target, "x1": target, "y0": 0, "y1": 1,
                       "yref": "paper", "line": line})  # fmt: skip
        notes.append({"x": target, "y": 0, "yref": "paper", "text": f"target {target:g}",
                      "showarrow": False, "xanchor": "right", "yanchor": "bottom",
                      "textangle": -90, "font": {"color": "--ink"}})  # fmt: skip
    return {"shapes": shapes, "annotations": notes}


def _search_traces(search: Search, priced: bool, colour: str = "") -> list[Plot]:
    """The front, the points of each kind, the chosen one; in one colour if one is given."""
    networks = search.networks
    rows = _shown(networks)
    figure, costs, values = networks.figure, networks.costs, networks.values

    def trace(chosen: Sequence[int], name: str, **look: Any) -> Plot:
        return {
            "type": "scatter",
            "x": [costs[row] if priced else search.begin + row for row in chosen],
            "y": [scaled(figure, values[row]) for row in chosen],
            "name": plain(name),
            **look,
        }

    def points(chosen: Sequence[int], name: str, marker: Plot) -> Plot:
        data = [[search.begin + row] for row in chosen]
        return trace(chosen, name, mode="markers", marker=marker, customdata=data,
                     hovertemplate="%{text}<extra></extra>")  # fmt: skip

    traces = []
    front = [row for row in networks.front if priced]
    if front:
        line = {"shape": "hv", "color": colour or "--blue", "width": 1.5}
        traces.append(trace(front, "Pareto front", mode="lines", line=line, hoverinfo="skip"))
    kinds = networks.kinds
    for kind in dict.fromkeys([*KINDS, *kinds]):
        group = [row for row in rows if kinds[row] == kind]
        own, symbol, size = MARKS.get(kind, MARKS["evaluated"])
        known = KINDS[kind][0] if kind in KINDS else kind
        marker = {
            "color": colour or own, "symbol": symbol, "size": size, "opacity": 0.85,
            "line": {"width": 1.5 if "open" in symbol else 0, "color": colour or own},
        }  # fmt: skip
        if group:
            traces.append(points(group, f"{known} ({kinds.count(kind)})", marker))
    if networks.chosen is not None:
        ring = {"color": "--vermilion", "symbol": "circle-open", "size": 16, "line": {"width": 2.5}}
        name = "chosen" if networks.run.finished else "best so far"
        traces.append(points([networks.chosen], name, ring))
    return traces


def _shown(networks: Networks) -> list[int]:
    """Rows that are drawn: the front, the random baseline and every n-th of the others."""
    rows = networks.best_first
    if len(rows) <= POINTS:
        return sorted(rows)
    kinds = networks.kinds
    baseline = [row for row in rows if kinds[row] == "random"][: POINTS // 4]
    kept = list(dict.fromkeys([*networks.front, *rows[: POINTS // 4], *baseline]))[:POINTS]
    others = sorted(set(rows) - set(kept))
    step = -(-len(others) // max(POINTS - len(kept), 1))
    return sorted([*kept, *others[::step]])
