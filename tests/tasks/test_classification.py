import math

import numpy as np
import pytest
import torch

from squeezenas.core.config import Loss
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import Process
from squeezenas.tasks.classification import Classification

ALONE = Process(0, 1, torch.device("cpu"))


def card(classes):
    return DatasetCard(
        name="photos", title="Photos", task="classification", layout="image_folders", root="x",
        splits={"train": ["train"]}, classes=[f"n{index}" for index in range(classes)],
        licence="none", how_to_get="take them",
    )  # fmt: skip


def task(classes=7, **loss):
    return Classification(card(classes), ALONE, Loss(**loss))


def drawn(images, classes):
    rng = np.random.default_rng(classes)
    return rng.normal(size=(images, classes)), rng.integers(0, classes, images)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [(), (0.5, 2.0, 1.0, 0.0, 1.5, 1.0, 3.0)])
def test_the_loss_is_that_of_its_formula(smoothing, weights):
    logits, labels = drawn(9, 7)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    w = np.array(weights or [1.0] * 7)
    summed = 0.0
    for row, label in zip(log_p, labels, strict=True):
        target = np.full(7, smoothing / 7)
        target[label] += 1 - smoothing
        summed -= (target * w * row).sum()
    found = task(label_smoothing=smoothing, class_weights=weights).loss(
        torch.from_numpy(logits), torch.from_numpy(labels)
    )
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(summed / w[labels].sum(), rel=1e-6)


def test_a_batch_that_weighs_nothing():
    logits = torch.randn(3, 2, requires_grad=True)
    loss = task(2, class_weights=(1.0, 0.0)).loss(logits, torch.tensor([1, 1, 1]))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("classes", [2, 4, 5, 6, 100])
def test_top_1_and_top_5_are_counted(classes):
    logits, labels = drawn(60, classes)
    order = np.argsort(-logits, axis=1)
    top = [np.mean([label in row[:k] for row, label in zip(order, labels, strict=True)])
           for k in (1, 5)]  # fmt: skip
    counting = task(classes)
    metric = counting.metric()
    for part in (slice(0, 7), slice(7, 60)):
        counting.count(metric, torch.from_numpy(logits[part]), torch.from_numpy(labels[part]))
    found = counting.figures(metric)
    assert found == {"top1": pytest.approx(top[0]), "top5": pytest.approx(top[1])}
    assert found["top5"] == 1 or classes > 5


def test_no_image_has_no_figure():
    counting = task()
    assert all(math.isnan(value) for value in counting.figures(counting.metric()).values())


def test_joined_leaves_the_part_alone():
    counting = task(2)
    metric = counting.metric()
    counting.count(metric, torch.eye(2), torch.tensor([0, 0]))
    whole = metric.joined()
    counting.count(whole, torch.eye(2), torch.tensor([0, 1]))
    assert counting.figures(metric)["top1"] == 0.5
    assert counting.figures(whole)["top1"] == 0.75


def test_losses_that_do_not_fit():
    with pytest.raises(ValueError, match=r"loss\.kind=ohem is for segmentation; photos is not"):
        task(kind="ohem")
    with pytest.raises(ValueError, match=r"class_weights has 2 weights for the 7 classes"):
        task(class_weights=(1.0, 2.0))
