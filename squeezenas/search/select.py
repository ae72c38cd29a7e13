"""The end of a search: sampled networks are scored, the best one within the budget is chosen."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from tqdm import tqdm

from squeezenas.core.architecture import Architecture
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
        miou: mean IoU with inherited weights on the frames that choose.
        report: the same on the frames that report; None where it was not measured.
    """

    architecture: Architecture
    kind: str
    cost: float
    miou: float
    report: float | None = None


@dataclass(frozen=True)
class Selection:
    """All scored networks, dearest last, and the chosen one."""

    candidates: tuple[Candidate, ...]
    chosen: Candidate

    @property
    def front(self) -> set[Architecture]:
        """The Pareto front: no other candidate is as cheap and better, or as good and cheaper."""

        def beaten(one: Candidate) -> bool:
            return any(
                (other.cost <= one.cost and other.miou > one.miou)
                or (other.cost < one.cost and other.miou >= one.miou)
                for other in self.candidates
            )

        return {one.architecture for one in self.candidates if not beaten(one)}

    def baseline(self) -> dict[str, float]:
        """Mean and standard error of the random networks' reported mIoU; empty without two."""
        scores = [c.report for c in self.candidates if c.kind == "random" and c.report is not None]
        if len(scores) < 2:
            return {}
        error = stdev(scores) / math.sqrt(len(scores))
        return {"mean": fmean(scores), "standard_error": error, "networks": len(scores)}


def propose(search: Search) -> list[tuple[str, Architecture]]:
    """Argmax, samples and random baseline: kind and architecture, all different, within budget."""
    regime, space, table = search.config.regime, search.space, search.cost
    target, rng = regime.cost.target, random.Random(search.config.seed)
    log_p = {
        key: row.clamp(min=1e-30).log().tolist()
        for key, row in search.strategy.probabilities().items()
    }

    def affordable(architecture: Architecture) -> Architecture:
        return within_budget(architecture, space, table, target, log_p)

    found = {affordable(search.strategy.result()): "argmax"}
    for _ in range(20 * regime.select.candidates):
        if len(found) > regime.select.candidates:
            break
        found.setdefault(affordable(search.strategy.sample(rng)), "sampled")
    for architecture in random_of_cost(space, table, target, regime.select.random, rng):
        found.setdefault(architecture, "random")
    return [(kind, architecture) for architecture, kind in found.items()]


def select(search: Search, score: Score) -> Selection:
    """Scores what `propose` gives and chooses the best candidate that the strategy learned.

    The chosen network and the random ones are then scored on the report frames too.

    Args:
        search: the parts of the search, trained.
        score: mean IoU of an architecture on `selection` or `report` frames.
    """
    pairs = propose(search)
    rows = []
    for kind, architecture in tqdm(
        pairs, "candidates", disable=None if search.process.main else True
    ):
        cost = search.cost.of(architecture)
        rows.append(Candidate(architecture, kind, cost, score(architecture, "selection")))
    learned = [row for row in rows if row.kind != "random"]
    chosen = max(learned, key=lambda row: (row.miou, -row.cost))
    paper = search.config.regime.select.protocol == "paper"
    reported = []
    for row in rows:
        if row is chosen or row.kind == "random":
            same = paper and not search.config.regime.select.images
            row = replace(row, report=row.miou if same else score(row.architecture, "report"))
        reported.append(row)
    chosen = next(row for row in reported if row.architecture == chosen.architecture)
    return Selection(tuple(sorted(reported, key=lambda row: row.cost)), chosen)


def as_rows(
    selection: Selection, texts: Callable[[Architecture], Sequence[str]]
) -> list[dict[str, Any]]:
    """The rows of `candidates.csv`, best first."""
    front = selection.front
    ordered = sorted(selection.candidates, key=lambda row: -row.miou)
    return [
        {
            "kind": row.kind,
            "cost": row.cost,
            "miou": row.miou,
            "report_miou": row.report,
            "front": row.architecture in front,
            "chosen": row is selection.chosen,
            "architecture": " ".join(texts(row.architecture)),
        }
        for row in ordered
    ]
