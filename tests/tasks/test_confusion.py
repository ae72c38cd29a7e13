import math

import numpy as np
import pytest
import torch

from squeezenas.tasks import confusion
from squeezenas.tasks.confusion import ConfusionMatrix

CLASSES, IGNORE = 6, 255


@pytest.fixture
def pixels():
    """Labels with ignored pixels, and predictions; class 4 is never seen, 5 only predicted."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (3, 20, 30))
    predictions = np.where(rng.random(labels.shape) < 0.6, labels, rng.integers(0, 4, labels.shape))
    predictions[0, 0, :5] = 5
    labels[rng.random(labels.shape) < 0.1] = IGNORE
    labels[0, 0, 0] = 0
    return labels, predictions


def matrix(labels, predictions):
    counted = ConfusionMatrix(CLASSES, IGNORE, torch.device("cpu"))
    for label, prediction in zip(labels, predictions, strict=True):  # image by image
        counted.update(torch.from_numpy(label).to(torch.uint8), torch.from_numpy(prediction))
    return counted


def plain_iou(labels, predictions, name):
    """Of the definition, without a matrix."""
    seen = labels != IGNORE
    truth, guess = (labels == name) & seen, (predictions == name) & seen
    union = (truth | guess).sum()
    return (truth & guess).sum() / union if union else math.nan


def test_iou_is_that_of_the_definition(pixels):
    counted = matrix(*pixels)
    wanted = [plain_iou(*pixels, name) for name in range(CLASSES)]
    assert math.isnan(wanted[4])
    assert wanted[5] == 0
    np.testing.assert_allclose(counted.class_iou().numpy(), wanted, rtol=1e-15)
    assert counted.miou() == pytest.approx(np.nanmean(wanted), rel=1e-15)


def test_pixel_accuracy(pixels):
    labels, predictions = pixels
    seen = labels != IGNORE
    assert matrix(*pixels).pixel_accuracy() == pytest.approx(
        (labels == predictions)[seen].mean(), rel=1e-15
    )


def test_rows_are_labels_and_ignored_pixels_are_nowhere(pixels):
    counted = matrix(*pixels)
    assert counted.counts.sum() == (pixels[0] != IGNORE).sum()
    assert counted.counts.sum(1).tolist() == [(pixels[0] == c).sum() for c in range(CLASSES)]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
@pytest.mark.parametrize("classes", [2, 19, 171, 254])
def test_counts_of_every_type_are_those_of_a_loop(classes, dtype):
    rng = np.random.default_rng(classes)
    labels, predictions = rng.integers(0, classes, (2, 5000))
    labels[::7] = IGNORE
    predictions[::5] = IGNORE  # no class
    if dtype == torch.int16:
        predictions[1] = 300
    wanted = np.zeros((classes, classes + 1))
    for label, prediction in zip(labels, predictions, strict=True):
        if label != IGNORE:
            wanted[label, min(prediction, classes)] += 1
    counted = ConfusionMatrix(classes, IGNORE, torch.device("cpu"))
    counted.update(torch.from_numpy(labels).to(dtype), torch.from_numpy(predictions).to(dtype))
    np.testing.assert_array_equal(counted.counts.numpy(), wanted)


def test_large_inputs_are_counted_in_parts(monkeypatch):
    """Counts of one call are float32, which has no 16,777,217."""
    monkeypatch.setattr(confusion, "CHUNK", 1000)
    labels = torch.randint(0, CLASSES, (77, 101), dtype=torch.uint8)
    counted = ConfusionMatrix(CLASSES, IGNORE, torch.device("cpu"))
    counted.update(labels, labels)
    assert counted.counts.sum() == 77 * 101
    assert counted.pixel_accuracy() == 1
    assert labels.numel() > confusion.CHUNK


def test_the_largest_part_is_exact():
    pixels = torch.zeros(1, dtype=torch.uint8).expand(confusion.CHUNK + 1)
    counted = ConfusionMatrix(2, IGNORE, torch.device("cpu"))
    counted.update(pixels, pixels)
    assert counted.counts[0, 0] == 16_777_217


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_a_label_that_is_no_class_is_told(dtype):
    counted = ConfusionMatrix(CLASSES, IGNORE, torch.device("cpu"))
    labels = torch.tensor([0, CLASSES, 9, IGNORE], dtype=dtype)
    with pytest.raises(ValueError, match=r"labels \[6, 9\] are no classes"):
        counted.update(labels, torch.zeros_like(labels))
    with pytest.raises(ValueError, match="one shape"):
        counted.update(labels, labels[:2])
    assert counted.counts.sum() == 0


def test_an_ignored_id_in_the_middle_of_a_byte():
    counted = ConfusionMatrix(3, 7, torch.device("cpu"))
    labels = torch.tensor([0, 7, 2, 7], dtype=torch.uint8)
    counted.update(labels, torch.tensor([0, 1, 7, 7], dtype=torch.uint8))
    assert counted.counts.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_a_prediction_that_is_no_class_is_only_a_miss():
    counted = ConfusionMatrix(2, IGNORE, torch.device("cpu"))
    counted.update(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, IGNORE, 1]))
    assert counted.class_iou().tolist() == [pytest.approx(2 / 3), 1]
    assert counted.pixel_accuracy() == 0.75
    assert counted.class_accuracy().tolist() == [pytest.approx(2 / 3), 1]


def test_classes_that_never_occur(pixels):
    counted = matrix(*pixels)
    assert counted.present().tolist() == [True] * 4 + [False] * 2
    wanted = [plain_iou(*pixels, name) for name in range(CLASSES)]
    assert counted.present_miou() == pytest.approx(np.mean(wanted[:4]), rel=1e-14)
    assert counted.miou() == pytest.approx(np.mean([*wanted[:4], 0]), rel=1e-14)
    accuracy = counted.class_accuracy().tolist()
    assert [math.isnan(share) for share in accuracy] == [False] * 4 + [True] * 2


def test_categories_are_classes_painted_alike(pixels):
    groups = [[0, 2], [1], [3, 4, 5]]
    counted = matrix(*pixels)
    painted = np.array([0, 1, 0, 2, 2, 2] + [IGNORE] * 250)
    alike = painted[pixels[0]], painted[pixels[1]]
    wanted = [plain_iou(*alike, name) for name in range(3)]
    np.testing.assert_allclose(counted.category_iou(groups).numpy(), wanted, rtol=1e-14)
    labels, predictions = alike
    false = [
        ((predictions == name) & (labels != name) & (labels != IGNORE)).sum() for name in range(3)
    ]
    assert counted.false_positives(groups).tolist() == false
    assert counted.category_iou([]).tolist() == []


def test_nothing_counted_is_nan():
    empty = ConfusionMatrix(3, IGNORE, torch.device("cpu"))
    empty.update(torch.full((2, 2), IGNORE), torch.zeros(2, 2, dtype=torch.int64))
    assert math.isnan(empty.miou())
    assert math.isnan(empty.present_miou())
    assert math.isnan(empty.pixel_accuracy())


def test_joined_leaves_the_part_alone(pixels):
    part = matrix(*pixels)
    whole = part.joined()
    whole.update(torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    assert whole.counts.sum() == part.counts.sum() + 1
