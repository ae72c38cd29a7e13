"""Cells as graphs, as papers show them: inputs on the left, operations on the edges.

matplotlib draws them; no program for graphs is needed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from squeezenas.core.cell_graph import CellGraph
from squeezenas.core.files import write_atomically
from squeezenas.report.canvas import GREY, INK, new_figure, save_figure
from squeezenas.report.cell_layout import Box, CellLayout, lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches. Text is 8 points high, so that a letter is about this wide.
LETTER, ROW, GAP, MARGIN, HEADING = 0.074, 0.38, 0.42, 0.15, 0.34
INPUT, NODE, OUTPUT, OPERATION = "#CFE8F7", "#FFFFFF", "#FBF3B8", "#EEEEEE"
FRAMES_A_SECOND = 2

Frame = tuple[str, Sequence[CellGraph]]


def draw_cells(path: Path, cells: Sequence[CellGraph], title: str = "") -> None:
    """Draws cells, one below the other.

    Args:
        path: the picture, a `.png` or an `.svg`.
        cells: what is drawn.
        title: what stands above.

    Raises:
        ValueError: another suffix, no cell, or an edge that comes before any edge to its source.
        OSError: the file could not be written; an old picture is untouched.
    """
    if path.suffix not in (".png", ".svg"):
        raise ValueError(f"{path}: pictures of cells are .png or .svg; choose one of them")
    figure = _figure([(title, cells)])
    _draw(figure, (title, cells))
    save_figure(figure, path)


def animate_cells(path: Path, frames: Sequence[Frame]) -> None:
    """Draws cells that change, half a second each.

    Args:
        path: the picture, a `.gif`.
        frames: a title and cells each.

    Raises:
        ValueError: another suffix, no cell, or an edge that comes before any edge to its source.
        OSError: the file could not be written; an old picture is untouched.
    """
    if path.suffix != ".gif":
        raise ValueError(f"{path}: moving pictures of cells are .gif; choose that suffix")
    from matplotlib.animation import PillowWriter

    figure = _figure(frames)
    writer = PillowWriter(fps=FRAMES_A_SECOND)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "cells.gif"
        writer.setup(figure, picture)
        for frame in frames:
            figure.clear()
            _draw(figure, frame)
            writer.grab_frame()
        writer.finish()
        write_atomically(path, picture.read_bytes())


def _figure(frames: Sequence[Frame]) -> Figure:
    """One that the largest frame fits into."""
    if not frames or not all(cells for _, cells in frames):
        raise ValueError("there is no cell to draw; this network is a chain")
    sizes = [(_width(cells), _height(cells)) for _, cells in frames]
    figure = new_figure(max(wide for wide, _ in sizes), max(high for _, high in sizes))
    figure.set_layout_engine("none")  # every place is known in inches
    return figure


def _width(cells: Sequence[CellGraph]) -> float:
    return max(_edges(lay_out(cell))[-1][1] for cell in cells) + 2 * MARGIN


def _height(cells: Sequence[CellGraph]) -> float:
    rows = sum(lay_out(cell).height for cell in cells)
    return ROW * rows + HEADING * (len(cells) + 1) + 2 * MARGIN


def _edges(layout: CellLayout) -> list[tuple[float, float]]:
    """Where every column begins and ends, in inches from the left of the first."""
    edges, x = [], 0.0
    for column in layout.columns:
        width = max(_box_width(box) for box in column)
        edges.append((x, x + width))
        x += width + GAP
    return edges


def _box_width(box: Box) -> float:
    letters = len(re.sub("[_{}]", "", box.text) if _is_formula(box) else box.text)
    return LETTER * letters + 0.16 if letters else 0.0


def _draw(figure: Figure, frame: Frame) -> None:
    title, cells = frame
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    top = MARGIN + HEADING / 2
    axes.text(MARGIN, top, title, fontsize=10, color=INK, va="center")
    for cell in cells:
        top += HEADING
        axes.text(MARGIN, top, cell.name, fontsize=9, color=INK, va="center", weight="bold")
        layout = lay_out(cell)
        _draw_cell(axes, cell, layout, top + HEADING / 2)
        top += ROW * layout.height


def _draw_cell(axes: Axes, cell: CellGraph, layout: CellLayout, top: float) -> None:
    columns = [(left + MARGIN, right + MARGIN) for left, right in _edges(layout)]
    for line in layout.lines:
        _draw_line(axes, line, columns, top)
    for box in layout.operations:
        _draw_box(axes, box, columns, top, OPERATION)
    colours: Mapping[str, str] = dict.fromkeys(cell.inputs, INPUT) | {cell.output: OUTPUT}
    for name, box in layout.nodes.items():
        _draw_box(axes, box, columns, top, colours.get(name, NODE), edge=INK)


def _draw_box(
    axes: Axes,
    box: Box,
    columns: Sequence[tuple[float, float]],
    top: float,
    colour: str,
    edge: str = "none",
) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = sum(columns[box.column]) / 2, top + ROW * box.y
    wide, high = _box_width(box), 0.7 * ROW * box.height
    shape = "round,pad=0,rounding_size=0.06"
    corner = (x - wide / 2, y - high / 2)
    axes.add_patch(FancyBboxPatch(corner, wide, high, shape, fc=colour, ec=edge, lw=0.8))
    axes.text(x, y, _written(box), fontsize=8, color=INK, ha="center", va="center_baseline")


def _draw_line(
    axes: Axes, line: Sequence[Box], columns: Sequence[tuple[float, float]], top: float
) -> None:
    """Bends between columns only, so that it never runs through a box."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    places = [(columns[box.column], top + ROW * box.y) for box in line]
    points = [(sum(places[0][0]) / 2, places[0][1])]  # boxes are drawn over their lines
    codes = [Curve.MOVETO]
    for ((_, end), y), ((begin, _), y_next) in pairwise(places):
        bend = (end + begin) / 2
        points += [(end, y), (bend, y), (bend, y_next), (begin, y_next)]
        codes += [Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    points.append((sum(places[-1][0]) / 2, places[-1][1]))
    codes.append(Curve.LINETO)
    labelled = any(box.text for box in line[1:-1])
    colour = INK if labelled else GREY
    axes.add_patch(PathPatch(Curve(points, codes), fill=False, ec=colour, lw=0.9))


def _written(box: Box) -> str:
    return f"${box.text}$" if _is_formula(box) else box.text


def _is_formula(box: Box) -> bool:
    """Whether it is a letter with an index, such as `h_t` or `c_{k-1}`."""
    return re.fullmatch(r"[a-z]_(\w|\{[^{}]+\})", box.text) is not None
