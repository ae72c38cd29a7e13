"""What the page's table and drawings are made of: the scored networks of all runs, by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from squeezenas.report.page.files import Cell
from squeezenas.report.page.networks import Networks, chosen_architecture, draw
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
        elif (text := chosen_architecture(run)) and not any(scored) and not texts:
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
    found = [(run, networks) for run, networks in zip(runs, scored, strict=True) if networks]
    names = dict.fromkeys(name for _, one in found for name in one.table.columns)
    columns = []
    if len(runs) > 1 and found:
        values: list[Cell] = [run.name for run, one in found for _ in range(len(one.table))]
        columns.append({"name": "run", "label": "run", "scale": 1, "values": values})
    for name in names:
        if name == "architecture":
            continue
        values = [
            value
            for _, one in found
            for value in one.table.columns.get(name, [None] * len(one.table))
        ]
        if any(value is not None for value in values):
            label, scale = _label(name, found[0][1])
            columns.append({"name": name, "label": label, "scale": scale, "values": values})
    return columns


def _label(name: str, networks: Networks) -> tuple[str, int]:
    """How a column is headed, and what its numbers are multiplied by to be read."""
    figure = networks.figure
    percent, scale = (" (%)", 100) if figure.percent else ("", 1)
    known = {
        networks.headline: (f"{figure.label}{percent}", scale),
        f"report_{networks.headline}": (f"reported {figure.label}{percent}", scale),
        "cost": (f"cost ({networks.unit})", 1),
        "front": ("on the front", 1),
    }
    return known.get(name, (name.replace("_", " "), 1))
