"""The scored networks of one run: which columns mean what, which one is drawn, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from squeezenas.core.cell_graph import CellGraph
from squeezenas.core.figures import FIGURES, Figure
from squeezenas.core.space import SearchSpace
from squeezenas.report.cell_layout import Box, lay_out
from squeezenas.report.page.files import Table
from squeezenas.report.page.plain import at, mapping, number, text, words
from squeezenas.report.page.reading import RunFolder

CELLS_DRAWN = 300
"""Networks of cells whose drawing is kept in the page, the best ones; others show as text."""
LETTER, PADDING, GAP, ROW = 6.6, 14.0, 34.0, 30.0  # pixels


@dataclass(frozen=True)
class Networks:
    """Scored networks of a run.

    Attributes:
        run: where they were scored.
        table: its `candidates.csv` or `trials.csv`.
        headline: column of the figure that ranks.
        figure: what that figure is.
        unit: of the costs.
    """

    run: RunFolder
    table: Table
    headline: str
    figure: Figure
    unit: str

    @property
    def architectures(self) -> list[str]:
        """The text of every network."""
        return self.table.texts("architecture")

    @property
    def values(self) -> list[float | None]:
        """The figure of every network, as it was measured."""
        return self.table.numbers(self.headline)

    @property
    def costs(self) -> list[float | None]:
        """The cost of every network."""
        return self.table.numbers("cost")

    @property
    def kinds(self) -> list[str]:
        """How each came to be scored: argmax, sampled, random, or evaluated."""
        return [kind or "evaluated" for kind in self.table.texts("kind")]

    @cached_property
    def best_first(self) -> list[int]:
        """Rows that have a figure, the best first."""
        found = [(self.figure.merit(v), -row) for row, v in enumerate(self.values) if v is not None]
        return [-row for _, row in sorted(found, reverse=True)]

    @cached_property
    def chosen(self) -> int | None:
        """The row that the search chose, if it is here; before it has, the best one in budget."""
        marked = self.table.columns.get("chosen", [])
        told = number(at(self.run.summary, "chosen.number"))
        numbers = self.table.numbers("number")
        if True in marked:
            return marked.index(True)
        if told is not None:
            return numbers.index(told) if told in numbers else None
        costs, target = self.costs, self.run.target
        within = (row for row in self.best_first if target is None or (costs[row] or 0) <= target)
        return next(within, self.best_first[0] if self.best_first else None)

    @cached_property
    def front(self) -> list[int]:
        """Rows of the Pareto front, cheapest first: the rising steps of figure over cost."""
        priced = [
            (cost, -self.figure.merit(value), row)
            for row, (cost, value) in enumerate(zip(self.costs, self.values, strict=True))
            if cost is not None and value is not None
        ]
        front: list[tuple[float, float, int]] = []
        for one in sorted(priced):
            if not front or one[1] < front[-1][1]:
                front.append(one)
        return [row for _, _, row in front]

    def drawings(self) -> dict[int, list[dict[str, Any]]]:
        """Row -> its cells, laid out, for the best networks of a space of cells."""
        space = self.run.space
        if space is None or self.run.keys:
            return {}
        shown = [self.chosen] if self.chosen is not None else []
        rows = list(dict.fromkeys([*shown, *self.front, *self.best_first]))[:CELLS_DRAWN]
        texts = self.architectures
        drawn = {row: draw(space, texts[row]) for row in rows}
        return {row: cells for row, cells in drawn.items() if cells}


def networks_of(run: RunFolder) -> Networks | None:
    """The scored networks of a run that has any."""
    if run.scored is None or not len(run.scored):
        return None
    headline, figure = headline_of(run, list(run.scored.columns))
    return Networks(run, run.scored, headline, figure, run.unit or "cost")


def headline_of(run: RunFolder, columns: Sequence[str]) -> tuple[str, Figure]:
    """The column of the figure that ranks, and what it is; tables say so in their card."""
    of_table = mapping(at(run.config, "datasets.figures"))
    asked = [text(at(run.summary, "figure")), text(at(run.config, "regime.objective.figure"))]
    known = [name for name in (*asked, *FIGURES, *of_table) if name and name in columns]
    name = next((one for one in (*known, *asked) if one), next(iter(FIGURES)))
    card = mapping(of_table.get(name))
    if name in FIGURES or not card:
        return name, FIGURES.get(name, Figure(name, percent=False))
    higher = card.get("higher_is_better") is not False
    return name, Figure(text(card.get("label")) or name, higher, card.get("percent") is not False)


def chosen_architecture(run: RunFolder) -> str:
    """The text of what a run found, or of what it trained; empty where it is not known."""
    found = words(at(run.summary, "chosen.architecture")) or words(run.card.get("architecture"))
    return " ".join(found or words(at(run.config, "models.architecture")))


def draw(space: SearchSpace, architecture: str) -> list[dict[str, Any]]:
    """The cells of a network with places in pixels; none where it has no cells or is not read."""
    for texts in ([architecture], architecture.split(" ")):
        try:
            return [_placed(cell) for cell in space.cells(space.read(texts))]
        except ValueError:
            continue
    return []


def _placed(cell: CellGraph) -> dict[str, Any]:
    """Boxes `[text, x, y, width, kind]` by their middle, and lines as places to bend between."""
    layout = lay_out(cell)
    edges, x = [], PADDING
    for column in layout.columns:
        width = max(_width(box) for box in column)
        edges.append((x, x + width))
        x += width + GAP
    kinds = {id(layout.nodes[name]): "input" for name in cell.inputs}
    kinds |= {id(layout.nodes[cell.output]): "output"}
    kinds |= {id(box): "operation" for box in layout.operations}
    boxes = [
        [box.text, round(sum(edges[box.column]) / 2, 1), round(ROW * box.y, 1),
         round(_width(box), 1), kinds.get(id(box), "node")]
        for box in [*layout.operations, *layout.nodes.values()]
    ]  # fmt: skip
    lines = []
    for line in layout.lines:
        bends = [
            [edges[a.column][1], round(ROW * a.y, 1), edges[b.column][0], round(ROW * b.y, 1)]
            for a, b in pairwise(line)
        ]
        lines.append(bends)
    size = [round(x - GAP + PADDING, 1), round(ROW * layout.height, 1)]
    return {"name": cell.name, "size": size, "boxes": boxes, "lines": lines}


def _width(box: Box) -> float:
    return LETTER * len(box.text) + PADDING if box.text else 0.0
