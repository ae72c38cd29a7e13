"""Networks by cost and figure, of one search or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def pareto(searches: Sequence[tuple[Networks, int]]) -> Plot:
    """Cost against figure of one search, or of several, of which each has a colour.

    Args:
        searches: networks, and the number of the first in the page's table.

    Returns:
        A figure whose points have the row in the table as `customdata[0]`.
    """
    alone, (first, _) = len(searches) == 1, searches[0]
    priced = all(any(cost is not None for cost in one.costs) for one, _ in searches)
    traces: list[Plot] = []
    for number, (networks, begin) in enumerate(searches):
        colour = COLOURS[number % len(COLOURS)]
        traces += _search_traces(networks, begin, priced, None if alone else colour)
    shapes, notes = [], []
    targets = {one.run.target for one, _ in searches} if priced else set()
    for target in sorted(one for one in targets if one is not None):
        line = {"color": "--ink", "width": 1.5, "dash": "dash"}
        shapes.append({"type": "line", "x0": target, "x1": target, "y0": 0, "y1": 1,
                       "yref": "paper", "line": line})  # fmt: skip
        notes.append({"x": target, "y": 0, "yref": "paper", "text": f"target {target:g}",
                      "showarrow": False, "xanchor": "right", "yanchor": "bottom",
                      "textangle": -90, "font": {"color": "--ink"}})  # fmt: skip
    x = axis(f"cost ({first.unit})" if priced else "row of the table")
    return {
        "data": traces,
        "layout": layout(460, x, axis(label_of(first.figure)), shapes=shapes, annotations=notes),
    }


def _search_traces(networks: Networks, begin: int, priced: bool, colour: str | None) -> list[Plot]:
    label = f"{networks.run.name}: " if colour else ""
    rows = _shown(networks)
    figure, costs, values = networks.figure, networks.costs, networks.values

    def trace(chosen: Sequence[int], name: str, **look: Any) -> Plot:
        return {
            "type": "scatter",
            "x": [costs[row] if priced else row for row in chosen],
            "y": [scaled(figure, values[row]) for row in chosen],
            "name": plain(label + name),
            **look,
        }

    def points(chosen: Sequence[int], name: str, marker: Plot) -> Plot:
        data = [[begin + row] for row in chosen]
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
