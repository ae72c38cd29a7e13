"""The end of a search: sampled networks are scored, the best one within the budget is chosen."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean, stdev
from typing import Any

from tqdm import tqdm

from squeezenas.core.architecture import Architecture
from squeezenas.core.figures import Figure
from squeezenas.search.distribution import random_of_cost, within_budget
from squeezenas.search.setup import Search

Score = Callable[[Architecture, str], float]


@dataclass(frozen=True)
class Candidate:
    """A scored network.

    Args:
        architecture: the network.
        kind: `argmax` or `sampled` of the learned distribution, or `random`.
        cost: in the unit of the cost table.
        score: the task's figure with inherited weights on the samples that choose.
        report: the same on the samples that report; None where it was not measured.
    """

    architecture: Architecture
    kind: str
    cost: float
    score: float
    report: float | None = None


@dataclass(frozen=True)
class Selection:
    """All scored networks, dearest last, the chosen one, and what the score is."""

    candidates: tuple[Candidate, ...]
    chosen: Candidate
    figure: Figure

    @property
    def front(self) -> set[Architecture]:
        """The Pareto front: no other candidate is as cheap and better, or as good and cheaper."""
        merit = self.figure.merit

        def beaten(one: Candidate) -> bool:
            return any(
                (other.cost <= one.cost and merit(other.score) > merit(one.score))
                or (other.cost < one.cost and merit(other.score) >= merit(one.score))
                for other in self.candidates
            )

        return {one.architecture for one in self.candidates if not beaten(one)}

    def baseline(self) -> dict[str, float]:
        """Mean and standard error of the random networks' reported scores; empty without two.

        Those whose score is not finite are left out of both and counted as `diverged`.
        """
        scores = [c.report for c in self.candidates if c.kind == "random" and c.report is not None]
        finite = [score for score in scores if math.isfinite(score)]
        diverged = {"diverged": len(scores) - len(finite)} if len(finite) < len(scores) else {}
        if len(finite) < 2:
            return {}
        error = stdev(finite) / math.sqrt(len(finite))
        return {"mean": fmean(finite), "standard_error": error, "networks": len(finite), **diverged}


def select(search: Search, score: Score) -> Selection:
    """Scores what the strategy proposes and random networks, and chooses the best proposal.

    All are different and within budget. The chosen network and the random ones are then scored on
    the report samples too.

    Args:
        search: the parts of the search, trained.
        score: the figure of an architecture on `selection` or `report` samples.
    """
    rng, figure = random.Random(search.config.seed), search.task.figure
    rows = _proposed(search, score, rng)
    for architecture in _random(search, rng):
        if architecture not in rows:
            rows[architecture] = _scored(search, architecture, "random", score)
    learned = [row for row in rows.values() if row.kind != "random"]
    chosen = max(learned, key=lambda row: (figure.merit(row.score), -row.cost))
    regime = search.config.regime
    same = regime.select.protocol == "paper" and not regime.select.images
    for architecture, row in rows.items():
        if row is chosen or row.kind == "random":
            report = row.score if same else score(architecture, "report")
            rows[architecture] = replace(row, report=report)
    everything = sorted(rows.values(), key=lambda row: row.cost)
    return Selection(tuple(everything), rows[chosen.architecture], figure)


def _proposed(search: Search, score: Score, rng: random.Random) -> dict[Architecture, Candidate]:
    """The strategy's own networks, the one it believes in most first; each sees the last score."""
    wanted, merit = search.config.regime.select.candidates, search.task.figure.merit
    log_p = {
        key: row.clamp(min=1e-30).log().tolist()
        for key, row in search.strategy.probabilities().items()
    }
    rows: dict[Architecture, Candidate] = {}
    favourite = _affordable(search, search.strategy.result(), log_p)
    proposals = search.strategy.candidates(rng)
    architecture = next(proposals)
    with tqdm(
        total=wanted, desc="candidates", disable=None if search.process.main else True
    ) as bar:
        for _ in range(1 + 20 * wanted):
            architecture = _affordable(search, architecture, log_p)
            if architecture not in rows:
                kind = "argmax" if architecture == favourite else "sampled"
                rows[architecture] = _scored(search, architecture, kind, score)
                bar.update(len(rows) > 1)
            if len(rows) > wanted:
                break
            architecture = proposals.send((architecture, merit(rows[architecture].score)))
    return rows


def _scored(search: Search, architecture: Architecture, kind: str, score: Score) -> Candidate:
    cost = search.cost_of(architecture)
    return Candidate(architecture, kind, cost, score(architecture, "selection"))


def _affordable(
    search: Search, architecture: Architecture, log_p: dict[str, list[float]]
) -> Architecture:
    cost = search.config.regime.cost
    if cost is None or search.cost is None:
        return architecture
    return within_budget(architecture, search.space, search.cost, cost.target, log_p)


def _random(search: Search, rng: random.Random) -> list[Architecture]:
    """Different random architectures, of the target's cost where there is a target."""
    count, cost = search.config.regime.select.random, search.config.regime.cost
    if cost is not None and search.cost is not None:
        return random_of_cost(search.space, search.cost, cost.target, count, rng)
    drawn = (search.space.sample(rng) for _ in range(20 * count))
    return list(islice(dict.fromkeys(drawn), count))


def as_rows(
    selection: Selection, headline: str, texts: Callable[[Architecture], Sequence[str]]
) -> list[dict[str, Any]]:
    """The rows of `candidates.csv`, best first; scores are in columns named by the headline."""
    front, merit = selection.front, selection.figure.merit
    ordered = sorted(selection.candidates, key=lambda row: -merit(row.score))
    return [
        {
            "kind": row.kind,
            "cost": row.cost,
            headline: row.score,
            f"report_{headline}": row.report,
            "front": row.architecture in front,
            "chosen": row is selection.chosen,
            "architecture": " ".join(texts(row.architecture)),
        }
        for row in ordered
    ]
