import json
import math
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.frames import frames
from squeezenas.engine.distributed import Process
from squeezenas.training.evaluation import evaluate, evaluate_predictions
from tests.training.cityscapes_folder import cityscapes_card, draw, read, write
from tests.training.pixel_network import PixelNetwork

ALONE = Process(0, 1, torch.device("cpu"))


@pytest.fixture
def card(tmp_path):
    """Three frames of 40x56, which is padded to 64x64; two ids stand for class b."""
    rng = np.random.default_rng(0)
    for index in range(3):
        image = rng.integers(0, 256, (40, 56, 3), np.uint8)
        write(tmp_path / f"data/images/val/f{index}.png", image)
        mask = rng.choice(np.array([4, 5, 6, 9], np.uint8), (40, 56))
        write(tmp_path / f"data/masks/val/f{index}.png", mask)
    return DatasetCard(
        name="tiny", title="Tiny", layout="folders", root=tmp_path / "data",
        splits={"val": ["val"]}, classes=["a", "b", "c", "d"], palette=[(0, 0, 0)] * 4,
        label_ids={4: 0, 6: 1, 5: 1, 20: 2, 21: 3}, ignore_ids=[9],
        licence="none", how_to_get="draw it",
    )  # fmt: skip


def normalised(path, card):
    image = cv2.imread(str(path))[..., ::-1] / 255
    return (image - card.mean) / card.std


def test_pixels_are_those_of_the_network(card, tmp_path):
    network = PixelNetwork(4).train()
    found = evaluate(network, frames(card, "val"), card, ALONE, predictions=tmp_path / "out")
    assert network.training  # and nothing else of it changed
    assert network.shapes == []
    counts = np.zeros((4, 5))
    train_ids = {4: 0, 6: 1, 5: 1}
    for frame in frames(card, "val"):
        classes = network.logits(normalised(frame.image, card)).argmax(2)
        for label, predicted in zip(read(frame.mask).ravel(), classes.ravel(), strict=True):
            if label != 9:
                counts[train_ids[label], predicted] += 1
        written = read(tmp_path / "out" / f"{frame.stem}_pred_labelIds.png")
        np.testing.assert_array_equal(written, np.array([4, 6, 20, 21])[classes])
    np.testing.assert_array_equal(found.confusion.counts.numpy(), counts)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"f{index}_pred_labelIds.png" for index in range(3)
    ]
    again = evaluate_predictions(tmp_path / "out", frames(card, "val"), card)
    assert again.figures() == found.figures()
    assert found.frames == 3


def test_views_are_averaged_as_probabilities(card):
    """Of a network that looks at single pixels, mirroring changes nothing; scaling is OpenCV's."""
    network, scales = PixelNetwork(4), (1.0, 2.0)
    wanted = np.zeros((4, 4))
    for frame in frames(card, "val"):
        image = normalised(frame.image, card)
        ground = np.round(255 * np.array(card.mean)) / 255
        padded = np.tile((ground - card.mean) / card.std, (64, 64, 1))
        padded[:40, :56] = image
        mean = np.zeros((64, 64, 4))
        for scale in scales:
            size = (round(64 * scale),) * 2
            logits = network.logits(cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR))
            logits = cv2.resize(logits, (64, 64), interpolation=cv2.INTER_LINEAR)
            shares = np.exp(logits - logits.max(2, keepdims=True))
            mean += shares / shares.sum(2, keepdims=True)
        table = np.full(256, -1)
        table[[4, 5, 6]] = 0, 1, 1
        labels, classes = table[read(frame.mask)], mean[:40, :56].argmax(2)
        np.add.at(wanted, (labels[labels >= 0], classes[labels >= 0]), 1)
    for flip in (False, True):
        found = evaluate(network, frames(card, "val"), card, ALONE, flip=flip, scales=scales)
        assert found.confusion.counts[:, :4].tolist() == wanted.tolist()
    once = evaluate(network, frames(card, "val"), card, ALONE)
    assert once.confusion.counts[:, :4].tolist() != wanted.tolist()


class Sided(PixelNetwork):
    """Prefers class 0 on the left half, so that a mirrored view disagrees."""

    def forward(self, images):
        logits = super().forward(images)
        logits[:, 0, :, : images.shape[3] // 2] += 3
        return logits


def test_mirroring_makes_the_prediction_symmetric(card, tmp_path):
    """Both views of a mirrored frame are those of the frame itself."""
    (frame, *_) = frames(card, "val")
    for kind in ("images", "masks"):
        for stem, step in (("plain", 1), ("turned", -1)):
            source = read(frame.image if kind == "images" else frame.mask)
            whole = np.zeros((64, 64, *source.shape[2:]), np.uint8) + 9
            whole[:40, :56] = source
            write(tmp_path / f"sided/{kind}/val/{stem}.png", whole[:, ::step])
    card = card.model_copy(update={"root": tmp_path / "sided"})
    for flip in (False, True):
        folder = tmp_path / f"flip-{flip}"
        evaluate(Sided(4), frames(card, "val"), card, ALONE, flip=flip, predictions=folder)
        plain, turned = (read(folder / f"{x}_pred_labelIds.png") for x in ("plain", "turned"))
        assert (plain == turned[:, ::-1]).all() == flip


def test_half_precision_decides_nearly_alike(card):
    members = frames(card, "val")
    whole, half = (
        evaluate(PixelNetwork(4), members, card, ALONE, precision=name).confusion.counts
        for name in ("fp32", "bf16")
    )
    assert not torch.equal(whole, half)
    assert (whole - half).abs().sum() < 0.05 * whole.sum()


def test_classes_that_never_occur_are_named_and_left_out(card):
    found = evaluate(PixelNetwork(4), frames(card, "val"), card, ALONE)
    figures = found.figures()
    a, b, c, d = (row["iou"] for row in found.class_rows())
    assert figures["present_miou"] == pytest.approx((a + b) / 2)
    assert figures["miou"] == pytest.approx((a + b + c + d) / 4)  # c and d were predicted: 0
    assert (c, d) == (0, 0)
    (remark,) = found.remarks()
    assert remark.startswith("in no label, excluded from the mean of present classes (")
    assert f"({figures['present_miou']:.2%})" in remark
    assert remark.endswith(": c, d")
    assert "iiou" not in figures
    assert "category_miou" not in figures
    assert found.category_rows() == []
    assert math.isnan(found.class_rows()[0]["iiou"])


def test_instances_are_scored_when_every_frame_has_them(tmp_path, repository, monkeypatch):
    monkeypatch.chdir(repository)
    draw(tmp_path / "data", size=(40, 56))
    card = cityscapes_card(tmp_path / "data")
    members = frames(card, "val")
    found = evaluate(PixelNetwork(19), members, card, ALONE, predictions=tmp_path / "out")
    again = evaluate_predictions(tmp_path / "out", members, card)
    assert 0 < found.figures()["iiou"] < 1
    assert again.figures() == found.figures()
    (tmp_path / "data/gtFine/val/ulm/ulm_000001_000019_gtFine_instanceIds.png").unlink()
    without = evaluate(PixelNetwork(19), members, card, ALONE)
    assert without.instances is None
    assert without.remarks()[-1].startswith("no iIoU: 1 of 3 frames have no *_instanceIds.png")
    assert without.figures()["miou"] == found.figures()["miou"]


def test_frames_that_cannot_be_evaluated(card):
    (first, *_) = frames(card, "val")
    for members, fault in (([], "there are no frames"), ([first, first], "have the same name")):
        with pytest.raises(ValueError, match=f"tiny cannot be evaluated: .*{fault}"):
            evaluate(PixelNetwork(4), members, card, ALONE)
    with pytest.raises(ValueError, match=r"tells 5 classes apart, but tiny has 4"):
        evaluate(PixelNetwork(5), [first], card, ALONE)


@pytest.fixture
def predicted(card, tmp_path):
    """A folder with good predictions."""
    for frame in frames(card, "val"):
        write(tmp_path / "predicted" / "deep" / f"{frame.stem}_x.png", read(frame.mask))
    return tmp_path / "predicted"


def test_predictions_are_found_by_the_beginning_of_their_name(card, predicted):
    members = frames(card, "val")
    # f1 begins f10 too, but only at the end of a word
    write(predicted / "f10.png", np.zeros((1, 1), np.uint8))
    write(predicted / "unrelated.png", np.zeros((1, 1), np.uint8))
    found = evaluate_predictions(predicted, members, card)
    assert found.figures()["pixel_accuracy"] == 1
    assert found.figures()["present_miou"] == 1


def damage(path):
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("harm", "error", "told"),
    [
        (lambda f: (f / "deep/f1_x.png").unlink(), FileNotFoundError, "no prediction of 1 of 3 fr"),
        (lambda f: write(f / "f2.png", np.zeros((40, 56), np.uint8)), ValueError, "2 predictions"),
        (
            lambda f: write(f / "deep/f2_x.png", np.zeros((20, 56), np.uint8)),
            ValueError, "is 20x56, but its label .* is 40x56",
        ),
        (
            lambda f: write(f / "deep/f0_x.png", np.full((40, 56), 77, np.uint8)),
            ValueError, r"ids \[77\] that are no label ids of tiny; .* say ids=train",
        ),
        (
            lambda f: write(f / "deep/f0_x.png", np.zeros((40, 56, 3), np.uint8)),
            ValueError, "3 channel",
        ),
        (lambda f: damage(f / "deep/f0_x.png"), ValueError, "f0_x.png is damaged"),
        (lambda f: (f / "deep/f0_x.png").write_bytes(b""), ValueError, "f0_x.png is damaged"),
    ],
)  # fmt: skip
def test_wrong_predictions(card, predicted, harm, error, told):
    harm(predicted)
    with pytest.raises(error, match=told):
        evaluate_predictions(predicted, frames(card, "val"), card)


def test_train_ids(card, predicted):
    members = frames(card, "val")
    table = np.full(256, 255, np.uint8)
    table[[4, 5, 6]] = 0, 1, 1
    for frame in members:
        write(predicted / "deep" / f"{frame.stem}_x.png", table[read(frame.mask)])
    assert evaluate_predictions(predicted, members, card, "train").figures()["present_miou"] == 1
    with pytest.raises(ValueError, match=r"ids \[0, 1, 255\] that are no label ids"):
        evaluate_predictions(predicted, members, card)


def test_two_processes_find_what_one_does(repository, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.evaluation_together", str(tmp_path)],
        cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, *two = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("1-0", "2-0", "2-1"))
    for both in two:
        assert both["counts"] == one["counts"]
        assert both["figures"] == pytest.approx(one["figures"], rel=1e-12)
    names = [{p.name for p in (tmp_path / f"predictions-{n}").iterdir()} for n in (1, 2)]
    assert names[0] == names[1]
    assert len(names[0]) == 5
