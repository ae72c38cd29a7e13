import numpy as np
import pytest
import torch

from squeezenas.core.config import Loss
from squeezenas.engine.distributed import Process
from squeezenas.tasks.segmentation import Segmentation
from tests.search.toy import config


@pytest.fixture
def card(repository, monkeypatch, tmp_path):
    monkeypatch.chdir(repository)
    return config(tmp_path).datasets


@pytest.fixture
def task(card):
    return Segmentation(card, Process(0, 1, torch.device("cpu")))


def test_the_loss_is_the_mean_over_labelled_pixels(task):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 19, 4, 6))
    labels = rng.integers(0, 19, (2, 4, 6))
    labels[0, :2] = 255
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    terms = [-log_p[n, labels[n, y, x], y, x] for n, y, x in np.argwhere(labels != 255)]
    loss = task.loss(torch.from_numpy(logits), torch.from_numpy(labels))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-6)


def test_ignored_pixels_get_no_gradient(task):
    logits = torch.randn(1, 19, 4, 4, requires_grad=True)
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    labels[0, 0] = 255
    task.loss(logits, labels).backward()
    assert (logits.grad[:, :, 0] == 0).all()
    assert (logits.grad[:, :, 1:].abs().sum(1) > 0).all()


def test_a_batch_without_labels_costs_nothing(task):
    logits = torch.randn(1, 19, 4, 4, requires_grad=True)
    loss = task.loss(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_half_precision_logits_are_judged_in_float32(task):
    logits = torch.full((1, 19, 64, 64), 8.0, dtype=torch.bfloat16)
    loss = task.loss(logits, torch.zeros(1, 64, 64, dtype=torch.int64))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(np.log(19), rel=1e-6)


def test_prepare_normalises_with_the_card(task, card):
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    kept = images.clone()
    inputs = task.prepare(images, torch.zeros(2, 8, 8, dtype=torch.uint8))
    wanted = (images.numpy() / 255 - np.reshape(card.mean, (3, 1, 1))) / np.reshape(
        card.std, (3, 1, 1)
    )
    np.testing.assert_allclose(inputs.images.numpy(), wanted, atol=1e-6)
    assert torch.equal(images, kept)
    assert inputs.labels.dtype == torch.int64


def test_a_process_of_several_weighs_its_part(card):
    """Two parts with unequal shares of ignored pixels; their mean is the joined loss."""
    logits, labels = torch.randn(2, 19, 4, 4), torch.randint(0, 19, (2, 4, 4))
    labels[1, 1:] = 255
    whole = Segmentation(card, Process(0, 1, torch.device("cpu"))).loss(logits, labels)
    terms = [
        torch.nn.functional.cross_entropy(
            logits[n : n + 1], labels[n : n + 1], ignore_index=255, reduction="sum"
        )
        for n in range(2)
    ]
    assert float(whole) == pytest.approx(float(sum(terms) / (labels != 255).sum()), rel=1e-6)


WEIGHTS = [round(0.1 * (index % 7), 1) for index in range(19)]


def slow_loss(logits, labels, loss):
    """In float64, one pixel after another."""
    n, classes = logits.shape[:2]
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    weights = loss.class_weights or [1.0] * classes
    summed = share = 0.0
    for image in range(n):
        where = [tuple(at) for at in np.argwhere(labels[image] != 255)]
        surprise = {at: -log_p[(image, labels[(image, *at)], *at)] for at in where}
        if loss.kind == "ohem":
            count = max(1, int(np.ceil(loss.ohem_kept * len(where))))
            ranked = sorted(surprise.values(), reverse=True)
            bound = min(ranked[count - 1], -np.log(loss.ohem_threshold)) if where else 0
            where = [at for at in where if surprise[at] >= bound]
        for at in where:
            label = labels[(image, *at)]
            target = np.full(classes, loss.label_smoothing / classes)
            target[label] += 1 - loss.label_smoothing
            summed -= (target * weights * log_p[(image, slice(None), *at)]).sum()
            share += weights[label]
    return summed / share


@pytest.mark.parametrize("kind", ["cross_entropy", "ohem"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_every_loss_is_that_of_a_loop(card, kind, smoothing, weights):
    """With weights too it is the probability of the true class that makes a pixel hard."""
    loss = Loss(
        kind=kind, label_smoothing=smoothing, class_weights=weights,
        ohem_threshold=0.08, ohem_kept=0.3,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(3, 19, 5, 8))
    labels = rng.integers(0, 19, (3, 5, 8))
    logits[1, 3] += 6.0  # an image of which most pixels are easy
    labels[1] = np.where(rng.random((5, 8)) < 0.9, 3, labels[1])
    labels[rng.random(labels.shape) < 0.3] = 255
    labels[2] = 255  # and one without any label
    judged = Segmentation(card, Process(0, 1, torch.device("cpu")), loss)
    found = judged.loss(torch.from_numpy(logits), torch.from_numpy(labels))
    assert float(found) == pytest.approx(slow_loss(logits, labels, loss), rel=1e-5)


@pytest.mark.parametrize("kind", ["cross_entropy", "ohem"])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_no_loss_without_labels_or_weight(card, kind, weights):
    judged = Segmentation(
        card, Process(0, 1, torch.device("cpu")), Loss(kind=kind, class_weights=weights)
    )
    labels = [torch.full((2, 4, 4), 255)]
    if weights:
        labels.append(torch.zeros(2, 4, 4, dtype=torch.int64))  # road weighs 0
    for label in labels:
        logits = torch.randn(2, 19, 4, 4, requires_grad=True)
        loss = judged.loss(logits, label)
        loss.backward()
        assert loss.item() == 0
        assert (logits.grad == 0).all()


def test_weights_for_other_classes(card):
    with pytest.raises(ValueError, match="class_weights has 3 weights for the 19 classes of str"):
        Segmentation(card, Process(0, 1, torch.device("cpu")), Loss(class_weights=(1, 2, 3)))


def test_figures(task):
    metric = task.metric()
    labels = torch.tensor([[[0, 1], [1, 255]]])
    logits = torch.full((1, 19, 2, 2), -1.0)
    logits[0, 1] = 1.0
    task.count(metric, logits, labels)
    assert task.figures(metric) == {"miou": pytest.approx(1 / 3), "pixel_accuracy": 2 / 3}
