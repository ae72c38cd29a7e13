from pathlib import Path

import cv2
import numpy as np
import pytest

from squeezenas.report.confusion_matrix import draw_confusion_matrix

NAMES = ["road", "sky", "car"]
FULL, GREY = (8, 48, 107), (221, 221, 221)  # the dark end of matplotlib's Blues; no label at all


def area(path: Path, colour: tuple[int, int, int]) -> int:
    picture = cv2.imread(str(path))[..., ::-1].astype(int)
    return int((np.abs(picture - colour) < 3).all(axis=2).sum())


def test_rows_are_shares_and_rows_without_labels_are_grey(tmp_path: Path) -> None:
    counts = np.array([[1000, 0, 0], [0, 3, 0], [0, 0, 0]])
    draw_confusion_matrix(tmp_path / "a.png", counts, NAMES, "title")
    two, grey = area(tmp_path / "a.png", FULL), area(tmp_path / "a.png", GREY)
    counts[2, 2] = 1
    draw_confusion_matrix(tmp_path / "b.png", counts, NAMES, "title")
    assert area(tmp_path / "b.png", FULL) == pytest.approx(1.5 * two, rel=0.05)
    assert area(tmp_path / "b.png", GREY) < 0.05 * grey
    assert grey == pytest.approx(1.5 * two, rel=0.1)  # three cells, without numbers in them


def test_predictions_that_are_no_class_have_a_column_when_there_are_any(tmp_path: Path) -> None:
    counts = np.concatenate([100 * np.eye(3, dtype=np.int64), np.zeros((3, 1), np.int64)], axis=1)
    draw_confusion_matrix(tmp_path / "none.png", counts, NAMES)
    draw_confusion_matrix(tmp_path / "square.png", counts[:, :3], NAMES)
    assert (tmp_path / "none.png").read_bytes() == (tmp_path / "square.png").read_bytes()
    counts[0] = 0, 0, 0, 5
    draw_confusion_matrix(tmp_path / "some.png", counts, NAMES)
    assert area(tmp_path / "some.png", FULL) > 0
    assert (tmp_path / "some.png").read_bytes() != (tmp_path / "none.png").read_bytes()


def test_many_classes_and_wrong_shapes(tmp_path: Path) -> None:
    names = [f"class {index}" for index in range(60)]
    draw_confusion_matrix(tmp_path / "many.png", np.eye(60, dtype=np.int64), names)
    assert max(cv2.imread(str(tmp_path / "many.png")).shape) < 3000
    with pytest.raises(ValueError, match=r"shape \(3, 5\) do not fit 3 classes"):
        draw_confusion_matrix(tmp_path / "x.png", np.zeros((3, 5), np.int64), NAMES)
