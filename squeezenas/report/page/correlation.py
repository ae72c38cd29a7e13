"""How far the supernet's scores agree with stand-alone trainings of the same networks.

Kendall's tau-b of both figures over the networks of one search that were trained by one and the
same regime. Trainings are found among the run folders beside the search.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from squeezenas.report.page.networks import Networks
from squeezenas.report.page.plain import at, mapping, number, words
from squeezenas.report.page.plot import Plot, axis, label_of, layout, scaled
from squeezenas.report.page.reading import read_config, read_summary

SIBLINGS = 500
FEWEST = 3


@dataclass(frozen=True)
class Correlation:
    """Scores of networks that were trained on their own.

    Attributes:
        rows: row of each network among the scored ones.
        trained: figure of each after its training, mean over seeds.
        trainings: how many trainings these are.
        tau: Kendall's tau-b; None of fewer than three networks, or where all are equal.
        p: two-sided p of no association.
    """

    rows: list[int]
    trained: list[float]
    trainings: int
    tau: float | None
    p: float | None

    def sentence(self, label: str) -> str:
        """What was found, or what is missing for it."""
        if len(self.rows) < FEWEST:
            return (
                f"Rank correlation: unknown. It takes trainings of at least {FEWEST} networks of "
                f"this search, by one regime, in the same folder of runs; there are "
                f"{len(self.rows)}."
            )
        if self.tau is None:
            return "Rank correlation: undefined, as all scores or all trainings are equal."
        return (
            f"Kendall's tau of the search's {label} against stand-alone trainings: "
            f"{self.tau:.2f} (p = {self.p:.2g}, {len(self.rows)} networks, {self.trainings} "
            "trainings)."
        )


def correlate(networks: Networks) -> Correlation:
    """Compares a search with the trainings beside it; unreadable folders are passed over."""
    rows = {text: row for row, text in enumerate(networks.architectures)}
    regimes: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for config, summary in _trainings(networks.run.folder):
        row = rows.get(" ".join(words(at(config, "models.architecture"))))
        same = at(config, "models.space") == at(networks.run.config, "regime.space")
        figure = _figure(config, summary, networks)
        if row is not None and same and figure is not None and networks.values[row] is not None:
            regime = json.dumps(at(config, "regime"), sort_keys=True)
            regimes[regime][row].append(figure)
    found = max(regimes.values(), key=len, default={})
    order = sorted(found)
    trained = [fmean(found[row]) for row in order]
    tau, p = _kendall([networks.values[row] for row in order], trained)
    return Correlation(order, trained, sum(map(len, found.values())), tau, p)


def _trainings(search: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Configuration and summary of every finished training beside a search."""
    for folder in sorted(search.parent.iterdir())[:SIBLINGS]:
        if folder != search and (folder / "model.yaml").is_file():
            try:
                yield read_config(folder), mapping(read_summary(folder))
            except (ValueError, OSError):  # of another run: no reason to give no report of this one
                continue


def _figure(config: Any, summary: dict[str, Any], networks: Networks) -> float | None:
    """The figure of the last stage, where that is on the data set of the search."""
    stages = list(mapping(at(config, "regime.stages")))
    last = mapping(summary.get(stages[-1])) if stages else {}
    if last.get("dataset") != at(networks.run.config, "datasets.name"):
        return None
    return number(mapping(last.get("figures")).get(networks.headline))


def _kendall(scores: list[float | None], trained: list[float]) -> tuple[float | None, float | None]:
    if len(trained) < FEWEST:
        return None, None
    from scipy.stats import kendalltau

    found: Any = kendalltau(scores, trained)
    return number(float(found.statistic)), number(float(found.pvalue))


def plot(networks: Networks, correlation: Correlation) -> Plot:
    """Score in the search against the figure after training."""
    figure = networks.figure
    trace = {
        "type": "scatter", "mode": "markers", "marker": {"color": "--blue", "size": 9},
        "x": [scaled(figure, networks.values[row]) for row in correlation.rows],
        "y": [scaled(figure, value) for value in correlation.trained],
        "customdata": [[row] for row in correlation.rows],
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip
    x, y = axis(f"search: {label_of(figure)}"), axis(f"trained: {label_of(figure)}")
    return {"data": [trace], "layout": layout(320, x, y, showlegend=False)}
