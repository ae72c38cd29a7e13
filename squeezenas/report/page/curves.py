"""Metrics over steps, of one run or of several."""

from __future__ import annotations

from collections.abc import Sequence

from squeezenas.report.curves import PANELS
from squeezenas.report.page.files import Series
from squeezenas.report.page.networks import headline_of
from squeezenas.report.page.plain import number
from squeezenas.report.page.plot import COLOURS, Plot, axis, label_of, layout, plain
from squeezenas.report.page.reading import RunFolder

POINTS = 1_000
"""Points of a line at most."""
TITLES = {
    **PANELS,
    "architecture/multiplier": "multiplier of the cost",
    "trial/value": "figure of each trial",
    "trial/best": "best so far",
    "trial/cost": "cost of each trial",
}
COSTS = ("architecture/expected_cost", "trial/cost")
FIGURES_OF_TRIALS = ("trial/value", "trial/best")


def curves(runs: Sequence[RunFolder], labels: Sequence[str]) -> list[tuple[str, Plot]]:
    """A titled figure for each metric that any of the runs has logged.

    Args:
        runs: whose metrics; one alone has no legend.
        labels: what each is called; those of one label share a colour and a place in the legend.
    """
    looks = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(dict.fromkeys(labels))}
    found = []
    for name in TITLES:
        logged = [run for run in runs if name in run.metrics]
        title = _title(name, logged)
        lines: list[Plot] = []
        for run, label in zip(runs, labels, strict=True):
            if name in run.metrics:
                line = _line(run.metrics[name], _scale(name, run), name.startswith("trial/"))
                seen = any(other["legendgroup"] == label for other in lines)
                line["line" if "line" in line else "marker"]["color"] = looks[label]
                legend = {"name": plain(label), "legendgroup": label, "showlegend": not seen}
                lines.append(line | legend)
        if lines:
            targets = {run.target for run in logged} if name in COSTS else set()
            found.append((title, _panel(lines, targets, len(runs) > 1)))
    return found


def _title(name: str, runs: Sequence[RunFolder]) -> str:
    """With figure or unit, where all runs have the same."""
    title = TITLES[name]
    told = {""}
    if name in FIGURES_OF_TRIALS:
        told = {label_of(headline_of(run, ())[1]) for run in runs}
    elif name in COSTS:
        told = {run.unit for run in runs}
    same = told.pop() if len(told) == 1 else ""
    return f"{title}, {same}" if same else title


def _scale(name: str, run: RunFolder) -> float:
    if name in FIGURES_OF_TRIALS:
        return 100 if headline_of(run, ())[1].percent else 1
    return 100 if TITLES[name].endswith("(%)") else 1


def _line(series: Series, scale: float, dots: bool) -> Plot:
    shown = thinned(series)
    values = [None if value is None else number(scale * value) for value in shown.values]
    line: Plot = {"type": "scatter", "x": shown.steps, "y": values, "hovertemplate": "%{x}: %{y}"}
    alone = len([value for value in values if value is not None]) == 1
    if dots or alone:
        return {**line, "mode": "markers", "marker": {"size": 4}}
    return {**line, "mode": "lines", "line": {"width": 1.5}}


def _panel(lines: list[Plot], targets: set[float | None], legend: bool) -> Plot:
    figure = layout(220, axis("step"), axis(""), showlegend=legend)
    known = sorted(target for target in targets if target is not None)
    figure["shapes"] = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": target, "y1": target,
         "line": {"color": "--ink", "width": 1.5, "dash": "dash"}}
        for target in known
    ]  # fmt: skip
    figure["annotations"] = [
        {"xref": "paper", "x": 1, "y": target, "text": f"target {target:g}", "xanchor": "right",
         "yanchor": "bottom", "showarrow": False, "font": {"color": "--ink"}}
        for target in known
    ]  # fmt: skip
    return {"data": lines, "layout": figure}


def thinned(series: Series) -> Series:
    """At most about `POINTS` points: of every run of steps the lowest and the highest."""
    count = len(series.steps)
    if count <= POINTS:
        return series
    size = -(-2 * count // POINTS)
    kept: list[int] = []
    for start in range(0, count, size):
        part = [(v, i) for i in range(start, min(start + size, count))
                if (v := series.values[i]) is not None]  # fmt: skip
        kept += sorted({min(part)[1], max(part)[1]}) if part else [start]
    return Series([series.steps[i] for i in kept], [series.values[i] for i in kept])
