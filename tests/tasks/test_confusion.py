import math

import numpy as np
import pytest
import torch

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


def test_the_scores_of_cityscapes_scripts():
    """Their functions read label ids; train id `i` stands under the id that maps to it."""
    evaluation = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    helpers = pytest.importorskip("cityscapesscripts.helpers.labels")
    ids = {label.trainId: label.id for label in helpers.labels if not label.ignoreInEval}
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 19, 20000)
    predictions = np.where(rng.random(20000) < 0.5, labels, rng.integers(0, 19, 20000))
    labels[rng.random(20000) < 0.1] = IGNORE
    labels[labels == 7] = 8
    predictions[predictions == 7] = 8

    theirs = np.zeros((34, 34), np.ulonglong)
    to_id = np.array([ids.get(train_id, 0) for train_id in range(256)])
    np.add.at(theirs, (to_id[labels], to_id[predictions]), 1)
    evaluation.args.evalLabels = [label.id for label in helpers.labels if label.id >= 0]
    scores = [evaluation.getIouScoreForLabel(ids[c], theirs, evaluation.args) for c in range(19)]
    ours = ConfusionMatrix(19, IGNORE, torch.device("cpu"))
    ours.update(torch.from_numpy(labels), torch.from_numpy(predictions))
    assert math.isnan(scores[7])
    np.testing.assert_allclose(ours.class_iou().numpy(), scores, rtol=1e-12)
    names = {helpers.id2label[ids[c]].name: score for c, score in enumerate(scores)}
    assert ours.miou() == pytest.approx(evaluation.getScoreAverage(names, evaluation.args))


def test_nothing_counted_is_nan():
    empty = ConfusionMatrix(3, IGNORE, torch.device("cpu"))
    empty.update(torch.full((2, 2), IGNORE), torch.zeros(2, 2, dtype=torch.int64))
    assert math.isnan(empty.miou())
    assert math.isnan(empty.pixel_accuracy())


def test_joined_leaves_the_part_alone(pixels):
    part = matrix(*pixels)
    whole = part.joined()
    whole.update(torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    assert whole.counts.sum() == part.counts.sum() + 1
