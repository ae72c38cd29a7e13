"""What the page's table and drawings are made of: the scored networks of all runs, by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from squeezenas.report.page.comparison import run_names
from squeezenas.report.page.files import Cell
from squeezenas.report.page.networks import Networks, chosen_architecture, draw
from squeezenas.report.page.plot import label_of
from squeezenas.report.page.reading import RunFolder

Data = dict[str, Any]


def network_table(runs: Sequence[RunFolder], scored: Sequence[Networks | None]) -> Data:
    """Columns and architectures of all scored networks, one run after the other.

    Architectures are written as numbers of the words that they are made of, which are few. Where
    nothing was scored, the network that was trained or found is the only one, without columns.

    Returns:
        `columns`, each with its values; `words` and `architectures`; `chains`, the rows of each run
        whose networks are a row of units, with their names; `cells`, laid out, by row; `shown`, the
        row that is drawn first; and `starts`, the first row of each run.
    """
    starts: list[int] = []
    texts: list[str] = []
    chains: list[tuple[int, int, list[str]]] = []
    cells: dict[int, list[Data]] = {}
    shown: int | None = None
    for run, networks in zip(runs, scored, strict=True):
        begin = len(texts)
        starts.append(begin)
        if networks is not None:
            texts += networks.architectures
            drawings, chosen = networks.drawings(), networks.chosen
        elif len(runs) == 1 and (text := chosen_architecture(run)):
            texts.append(text)
            alone = draw(run.space, text) if run.space and not run.keys else []
            drawings, chosen = {0: alone} if alone else {}, 0
        else:
            continue
        cells |= {begin + row: drawing for row, drawing in drawings.items()}
        chains.append((begin, len(texts), run.keys))
        shown = shown if shown is not None or chosen is None else begin + chosen
    numbers: dict[str, int] = {}
    architectures = [
        [numbers.setdefault(word, len(numbers)) for word in text.split(" ")] for text in texts
    ]
    return {
        "columns": _columns(runs, scored),
        "words": list(numbers),
        "architectures": architectures,
        "chains": chains,
        "cells": cells,
        "shown": shown,
        "starts": starts,
    }


def _columns(runs: Sequence[RunFolder], scored: Sequence[Networks | None]) -> list[Data]:
    found = [networks for networks in scored if networks]
    names = {name: None for one in found for name in one.table.columns if name != "architecture"}
    units = {"cost": list(dict.fromkeys(one.unit for one in found))}
    columns: list[Data] = []
    if len(runs) > 1 and found:
        named = zip(run_names(runs), scored, strict=True)
        values: list[Cell] = [name for name, one in named if one for _ in range(len(one.table))]
        columns.append({"name": "run", "label": "run", "scale": 1, "values": values})
    for name in names:
        for unit in units.get(name, [""]):
            values = [value for one in found for value in _values(one, name, unit)]
            label, scale = (f"cost ({unit})", 1) if unit else _label(name, found)
            own = label if unit and len(units["cost"]) > 1 else name
            columns.append({"name": own, "label": label, "scale": scale, "values": values})
    return [one for one in columns if any(value is not None for value in one["values"])]


def _values(networks: Networks, name: str, unit: str) -> list[Cell]:
    """A column of a run; of costs, only where they have this unit."""
    nothing: list[Cell] = [None] * len(networks.table)
    if unit and networks.unit != unit:
        return nothing
    return networks.table.columns.get(name, nothing)


def _label(name: str, found: Sequence[Networks]) -> tuple[str, int]:
    """How a column is headed, and what its numbers are multiplied by to be read."""
    for networks in found:
        figure = networks.figure
        scale = 100 if figure.percent else 1
        if name == networks.headline:
            return label_of(figure), scale
        if name == f"report_{networks.headline}":
            return f"reported {label_of(figure)}", scale
    return "on the front" if name == "front" else name.replace("_", " "), 1
