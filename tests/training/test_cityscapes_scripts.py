"""Our figures are those of the official program, on random and on genuine frames."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from squeezenas.core.recipes import load_dataset
from squeezenas.data.frames import frames
from squeezenas.training.evaluation import evaluate_predictions
from squeezenas.training.label_files import instance_file
from tests.training.cityscapes_folder import (
    LABEL_IDS,
    cityscapes_card,
    corrupted,
    draw,
    read,
    write,
)

# They know that a caravan is a vehicle; see `squeezenas.tasks.instances`.
PREDICTED = LABEL_IDS[~np.isin(LABEL_IDS, (29, 30))]


@pytest.fixture
def official(monkeypatch):
    """Their evaluation of lists of files."""
    name = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    program = pytest.importorskip(name)
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # gone in NumPy 2.4

    def evaluate(predictions, labels, instances=True):
        program.args.quiet, program.args.JSONOutput = True, False
        program.args.evalInstLevelScore = instances
        return program.evaluateImgLists(
            [str(path) for path in predictions], [str(path) for path in labels], program.args
        )

    return evaluate


def assert_equal(ours, theirs, tolerance=1e-9):
    """Every figure of theirs; `ours` is an Evaluation."""
    scores = {"iou": ("classScores", "categoryScores")}
    if ours.instances is not None:
        scores["iiou"] = ("classInstScores", "categoryInstScores")
    for score, (of_class, of_category) in scores.items():
        for row in ours.class_rows():
            close(row[score], theirs[of_class][row["class"]], tolerance)
        for row in ours.category_rows():
            close(row[score], theirs[of_category][row["category"]], tolerance)
    figures = ours.figures()
    close(figures["miou"], theirs["averageScoreClasses"], tolerance)
    close(figures["category_miou"], theirs["averageScoreCategories"], tolerance)
    if ours.instances is not None:
        close(figures["iiou"], theirs["averageScoreInstClasses"], tolerance)
        close(figures["category_iiou"], theirs["averageScoreInstCategories"], tolerance)


def close(ours, theirs, tolerance):
    both = math.isnan(ours) and math.isnan(theirs)
    assert both or abs(ours - theirs) <= tolerance


@pytest.mark.parametrize("seed", range(3))
def test_random_frames(official, tmp_path, repository, monkeypatch, seed):
    monkeypatch.chdir(repository)
    draw(tmp_path / "data", seed=seed)
    card = cityscapes_card(tmp_path / "data")
    members = frames(card, "val")
    for frame in members:
        ids = corrupted(read(frame.mask), seed, PREDICTED)
        write(tmp_path / "predicted" / f"{frame.stem}_x.png", ids)
    files = [tmp_path / "predicted" / f"{frame.stem}_x.png" for frame in members]
    theirs = official(files, [frame.mask for frame in members])
    ours = evaluate_predictions(tmp_path / "predicted", members, card)
    assert ours.instances is not None
    assert_equal(ours, theirs)
    assert 0.1 < ours.figures()["iiou"] < 0.9


def genuine(shared_data, split, with_instances):
    card = cityscapes_card(shared_data / "cityscapes")
    return card, [
        frame for frame in frames(card, split) if bool(instance_file(frame)) >= with_instances
    ]


def test_genuine_frames_and_official_predictions(
    official, tmp_path, repository, monkeypatch, shared_data
):
    monkeypatch.chdir(repository)
    card, members = genuine(shared_data, "val", with_instances=True)
    assert len(members) == 3
    to_label = np.full(256, 0, np.uint8)
    for label_id, train_id in card.label_ids.items():
        to_label[train_id] = label_id
    folder = reference(shared_data) / "squeezenas_mac_small"
    files = []
    for frame in members:
        files.append(tmp_path / f"{frame.stem}_pred_labelIds.png")
        write(files[-1], to_label[read(folder / f"{frame.stem}_trainIds.png")])
    theirs = official(files, [frame.mask for frame in members])
    ours = evaluate_predictions(tmp_path, members, card)
    assert_equal(ours, theirs)
    assert evaluate_predictions(folder, members, card, "train").figures() == ours.figures()


def test_genuine_frames_and_corrupted_copies(
    official, tmp_path, repository, monkeypatch, shared_data
):
    monkeypatch.chdir(repository)
    card, members = genuine(shared_data, "train", with_instances=True)
    files = []
    for number, frame in enumerate(members[:3]):
        files.append(tmp_path / f"{frame.stem}.png")
        write(files[-1], corrupted(read(frame.mask), number, PREDICTED))
    theirs = official(files, [frame.mask for frame in members[:3]])
    ours = evaluate_predictions(tmp_path, members[:3], card)
    assert_equal(ours, theirs)
    assert not np.isnan(ours.figures()["iiou"])


def reference(shared_data) -> Path:
    folder = shared_data.parent / "reference" / "official_predictions"
    if not folder.is_dir():
        pytest.skip(f"no official predictions at {folder}")
    return folder


@pytest.mark.parametrize(
    ("network", "miou", "accuracy"),
    [("squeezenas_mac_small", 0.62692, 0.95822), ("squeezenas_lat_small", 0.65708, 0.95741)],
)
def test_official_predictions_have_the_figures_noted_beside_them(
    repository, monkeypatch, shared_data, network, miou, accuracy
):
    monkeypatch.chdir(repository)
    card, members = genuine(shared_data, "val", with_instances=False)
    found = evaluate_predictions(reference(shared_data) / network, members, card, "train")
    figures = found.figures()
    assert round(figures["present_miou"], 5) == miou
    assert round(figures["pixel_accuracy"], 5) == accuracy
    assert found.instances is None
    excluded, without = found.remarks()
    assert excluded.endswith(": bus, train, motorcycle")
    assert re.match(r"no iIoU: 3 of 6 frames have no \*_instanceIds.png", without)


@pytest.mark.parametrize("name", ["cityscapes", "cityscapes_coarse", "street_scenes"])
def test_cards_have_the_categories_and_sizes_of_the_official_program(repository, monkeypatch, name):
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    program = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    monkeypatch.chdir(repository)
    card = load_dataset([f"datasets={name}"])
    scored = [label for label in labels if not label.ignoreInEval]
    groups = {label.category: () for label in scored}
    for label in scored:
        groups[label.category] += (label.name,)
    assert card.categories == groups
    sizes = {label.name: program.args.avgClassSize[label.name] for label in scored
             if label.hasInstances}  # fmt: skip
    assert card.instance_sizes == ({} if name == "street_scenes" else sizes)
