from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.report.cell_layout import Box, lay_out
from squeezenas.report.cells import animate_cells, draw_cells

NAMES = ("c_{k-2}", "c_{k-1}", "0", "1", "2", "3")
DARTS_V2 = (  # the normal cell of arXiv:1806.09055, figure 4
    ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
    ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2),
)  # fmt: skip


def darts_cell() -> CellGraph:
    edges = [
        CellEdge(NAMES[source], NAMES[2 + position // 2], operation)
        for position, (operation, source) in enumerate(DARTS_V2)
    ]
    edges += [CellEdge(name, "c_{k}", "") for name in NAMES[2:]]
    return CellGraph("normal", NAMES[:2], tuple(edges), "c_{k}")


@st.composite
def cells(draw: st.DrawFn) -> CellGraph:
    """Up to nine nodes, up to two edges into each, some twice from the same node."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    known, edges = ["x", "h"], []
    for node in range(rng.randint(1, 9)):
        for _ in range(rng.randint(1, 2)):
            operation = rng.choice(["", "tanh", "sep_conv_5x5"])
            edges.append(CellEdge(rng.choice(known), str(node), operation))
        known.append(str(node))
    edges += [CellEdge(node, "y", "") for node in known[2:]]
    return CellGraph("random", ("x", "h"), tuple(edges), "y")


@given(cells())
def test_nothing_overlaps_and_edges_run_to_the_right(cell: CellGraph) -> None:
    layout = lay_out(cell)
    for column in layout.columns:
        for above, below in itertools.pairwise(column):
            assert below.y - above.y >= (above.height + below.height) / 2 - 1e-9
    assert len(layout.lines) == len(cell.edges)
    for edge, line in zip(cell.edges, layout.lines, strict=True):
        assert (line[0], line[-1]) == (layout.nodes[edge.source], layout.nodes[edge.target])
        assert [b.column - a.column for a, b in itertools.pairwise(line)] == [1] * (len(line) - 1)
        assert [box.text for box in line[1:-1] if box.text] == [edge.operation] * bool(
            edge.operation
        )
    assert all(layout.nodes[name].column == 0 for name in cell.inputs)
    last = layout.nodes[cell.output]
    assert all(box.column < last.column for box in layout.nodes.values() if box is not last)
    tops = [box.y - box.height / 2 for column in layout.columns for box in column]
    assert min(tops) == pytest.approx(0)


def test_a_ladder_is_drawn_without_crossings() -> None:
    """Two chains that never meet, their edges given in turns."""
    edges = [CellEdge("a", "a0", "p"), CellEdge("b", "b0", "q")]
    edges += [CellEdge("b0", "b1", "q"), CellEdge("a0", "a1", "p")]
    edges += [CellEdge("a1", "out", ""), CellEdge("b1", "out", "")]
    layout = lay_out(CellGraph("ladder", ("a", "b"), tuple(edges), "out"))
    first, second = ([layout.nodes[f"{letter}{step}"].y for step in ("", 0, 1)] for letter in "ab")
    assert all((a < b) == (first[0] < second[0]) for a, b in zip(first, second, strict=True))
    assert max(first) == pytest.approx(min(first))


def test_an_edge_from_nowhere_is_named() -> None:
    cell = CellGraph("odd", ("x",), (CellEdge("2", "1", "tanh"),), "1")
    with pytest.raises(ValueError, match="cell odd: the edge from 2 to 1 comes before any"):
        lay_out(cell)


def test_an_svg_says_every_operation_and_node(tmp_path: Path) -> None:
    draw_cells(tmp_path / "c.svg", [darts_cell()], "DARTS <second order>")
    text = (tmp_path / "c.svg").read_text()
    written = re.findall(r"<text[^>]*>([^<]+)</text>", text)
    for operation in ("sep_conv_3x3", "skip_connect", "dil_conv_3x3"):
        assert written.count(operation) == sum(name == operation for name, _ in DARTS_V2)
    assert {"normal", "0", "1", "2", "3"} <= set(written)
    assert "DARTS &lt;second order&gt;" in text
    draw_cells(tmp_path / "again.svg", [darts_cell()], "DARTS <second order>")
    assert (tmp_path / "again.svg").read_text() == text


def test_a_png_grows_with_its_cells(tmp_path: Path) -> None:
    draw_cells(tmp_path / "one.png", [darts_cell()])
    draw_cells(tmp_path / "two.png", [darts_cell(), darts_cell()])
    one, two = (Image.open(tmp_path / f"{name}.png") for name in ("one", "two"))
    assert one.width == two.width
    assert 1.6 * one.height < two.height < 2 * one.height


def test_an_animation_has_a_picture_a_frame_in_one_size(tmp_path: Path) -> None:
    small = CellGraph("small", ("x",), (CellEdge("x", "y", "tanh"),), "y")
    animate_cells(tmp_path / "c.gif", [("epoch 1", [small]), ("epoch 2", [darts_cell()])])
    draw_cells(tmp_path / "c.png", [darts_cell()])
    with Image.open(tmp_path / "c.gif") as picture:
        assert picture.n_frames == 2
        largest = Image.open(tmp_path / "c.png").size
        np.testing.assert_allclose(picture.size, largest, atol=1)
        first = picture.convert("RGB").tobytes()
        picture.seek(1)
        assert picture.convert("RGB").tobytes() != first


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"c\.jpg: pictures of cells are \.png or \.svg"):
        draw_cells(tmp_path / "c.jpg", [darts_cell()])
    with pytest.raises(ValueError, match=r"c\.png: moving pictures of cells are \.gif"):
        animate_cells(tmp_path / "c.png", [("", [darts_cell()])])
    with pytest.raises(ValueError, match="there is no cell to draw"):
        draw_cells(tmp_path / "c.png", [])
    with pytest.raises(OSError, match=r"cannot write picture .*none/c\.png: No such file"):
        draw_cells(tmp_path / "none" / "c.png", [darts_cell()])
    assert list(tmp_path.iterdir()) == []


def test_boxes_are_told_apart_by_themselves() -> None:
    assert Box("tanh", 1, 0.8) != Box("tanh", 1, 0.8)
