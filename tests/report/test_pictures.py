from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from squeezenas.core.figures import FIGURES
from squeezenas.report.architecture import draw_architecture
from squeezenas.report.curves import draw_curves
from squeezenas.report.overlays import draw_overlays
from squeezenas.report.pareto import Point as Candidate
from squeezenas.report.pareto import draw_pareto
from squeezenas.report.probabilities import draw_probabilities
from squeezenas.report.tradeoff import Point, draw_tradeoff, front

OPTIONS = ["k3_e1_g1", "k3_e6_g1", "k5_e3_g2", "k3_e6_g1_d2", "skip"]
KEYS = [f"unit{number:02d}" for number in range(5)]
BLUE, ORANGE, VERMILION = (0, 114, 178), (230, 159, 0), (213, 94, 0)


def pixels(path: Path) -> np.ndarray[Any, Any]:
    """The picture as RGB."""
    return cv2.imread(str(path))[..., ::-1]


def count(picture: np.ndarray[Any, Any], colour: tuple[int, int, int]) -> int:
    """Pixels of about this colour: edges are blended."""
    return int((np.abs(picture.astype(int) - colour) < 3).all(axis=2).sum())


def test_architecture_area_is_expansion_and_colour_is_kernel(tmp_path: Path) -> None:
    shapes = [(16, 64, 128)] * 3 + [(32, 32, 64)] * 2
    areas = {}
    for name in OPTIONS:
        path = tmp_path / f"{name}.png"
        draw_architecture(path, ["skip"] * 4 + [name], KEYS, shapes, "title")
        areas[name] = count(pixels(path), BLUE), count(pixels(path), ORANGE)
    # The picture of skips alone has no box; the legend patch of a kernel is the small rest.
    assert areas["skip"] == (0, 0)
    assert areas["k3_e1_g1"][0] > 1000
    assert areas["k3_e1_g1"][1] == areas["k5_e3_g2"][0] == 0
    assert areas["k5_e3_g2"][1] > 1000
    assert areas["k3_e6_g1_d2"][0] < 0.9 * areas["k3_e6_g1"][0]  # hatched


def test_architecture_of_other_spaces_is_written_out(tmp_path: Path) -> None:
    draw_architecture(tmp_path / "a.svg", ["sep_conv_3x3", "skip"], ["a", "b"], [(8, 4, 4)] * 2)
    drawn = (tmp_path / "a.svg").read_text()
    assert all(f">{word}<" in drawn for word in ("a", "b", "sep", "conv", "3x3", "skip"))


def test_probabilities_show_every_value(tmp_path: Path) -> None:
    history = np.full((7, 5, 5), 0.0)
    history[..., 2] = 1.0
    draw_probabilities(tmp_path / "p.png", history, OPTIONS, KEYS)
    decided = pixels(tmp_path / "p.png")
    # cividis runs from (0, 34, 78) to (254, 232, 56) in matplotlib's published table
    sure, never = count(decided, (253, 231, 55)), count(decided, (0, 34, 77))
    assert never > 2 * sure > 10_000
    draw_probabilities(tmp_path / "p.png", np.full((7, 5, 5), 0.2), OPTIONS, KEYS)
    assert count(pixels(tmp_path / "p.png"), (253, 231, 55)) < sure / 10


def test_probabilities_take_one_epoch_and_missing_options(tmp_path: Path) -> None:
    history = np.full((1, 5, 5), 0.25)
    history[:, 0, 4] = np.nan
    draw_probabilities(tmp_path / "p.png", history, OPTIONS, KEYS)
    assert pixels(tmp_path / "p.png").shape[1] == 1375
    with pytest.raises(ValueError, match=r"shape \(1, 5, 5\), expected \(epochs, 4, 5\)"):
        draw_probabilities(tmp_path / "p.png", history, OPTIONS, KEYS[:4])


def candidate(cost: float, miou: float, kind: str, chosen: bool = False) -> Candidate:
    return Candidate(cost, miou, kind, chosen, chosen)


def test_pareto_rings_the_chosen_one(tmp_path: Path) -> None:
    others = [candidate(1.0, 0.3, "sampled"), candidate(2.0, 0.4, "random")]
    draw_pareto(tmp_path / "a.png", others, 3.0, "GMACs", FIGURES["miou"])
    chosen = candidate(3, 0.5, "argmax", True)
    draw_pareto(tmp_path / "b.png", [*others, chosen], None, "GMACs", FIGURES["miou"])
    assert count(pixels(tmp_path / "a.png"), VERMILION) == 0
    assert count(pixels(tmp_path / "b.png"), VERMILION) > 50


def test_curves_have_a_panel_a_metric(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"step": step, "search/loss": 1 / step} for step in range(1, 300)]
    rows[5]["search/loss"] = None
    draw_curves(tmp_path / "one.png", rows)
    for row in rows[100:]:
        row["architecture/expected_cost"] = 3 + math.exp(-row["step"])
    draw_curves(tmp_path / "two.png", rows, 3.0, "GMACs")
    one, two = pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png")
    assert two.shape[1] == 2 * one.shape[1]
    assert count(one, VERMILION) == 0
    red = (two[..., 0].astype(int) - two[..., 2]) > 100  # the target's dashed line
    assert red.sum() > 50
    draw_curves(tmp_path / "none.png", [])


def test_overlays_paint_labels_and_predictions_in_the_palette(tmp_path: Path) -> None:
    images = np.full((2, 40, 80, 3), 100, np.uint8)
    labels = np.zeros((2, 40, 80), np.uint8)
    labels[0, :20] = 255
    predictions = np.ones((2, 40, 80), np.uint8)
    palette = [(200, 0, 0), (0, 0, 200), (0, 200, 0)]
    names = ["road", "sky", "never seen"]
    draw_overlays(tmp_path / "o.png", images, labels, predictions, palette, names)
    picture = pixels(tmp_path / "o.png")
    label, prediction, image = (170, 30, 30), (30, 30, 170), (100, 100, 100)
    area = count(picture, image)
    assert count(picture, prediction) == pytest.approx(area, rel=0.05)
    assert count(picture, label) == pytest.approx(0.75 * area, rel=0.05)
    assert count(picture, palette[1]) > 20  # legend
    assert count(picture, palette[2]) == 0
    with pytest.raises(ValueError, match="overlays need equal shapes"):
        draw_overlays(tmp_path / "o.png", images, labels[:1], predictions, palette, names)


def test_a_picture_is_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot write picture .*none/c\.png: No such file"):
        draw_curves(tmp_path / "none" / "c.png", [])
    draw_curves(tmp_path / "c.png", [{"step": 1, "search/loss": 1.0}])
    first = (tmp_path / "c.png").read_bytes()
    draw_curves(tmp_path / "c.png", [{"step": 1, "search/loss": 1.0}])
    assert (tmp_path / "c.png").read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["c.png"]


def test_matplotlib_is_imported_only_to_draw() -> None:
    code = (
        "import sys; from squeezenas.report import architecture, curves, overlays, pareto, "
        "probabilities; print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_tradeoff_front_and_a_look_for_each_way(tmp_path: Path) -> None:
    points = [
        Point("small", "torch fp32", 10, 1, 60.0),
        Point("small", "torch bf16", 6, 1, 59.0),
        Point("large", "torch fp32", 30, 1, 70.0),
        Point("bad", "torch fp32", 40, 1, 65.0),
    ]
    assert front(points) == [points[1], points[0], points[2]]
    draw_tradeoff(tmp_path / "a.png", points, "IoU (%)", "title")
    picture = pixels(tmp_path / "a.png")
    assert count(picture, BLUE) > 100
    assert count(picture, ORANGE) > 30
