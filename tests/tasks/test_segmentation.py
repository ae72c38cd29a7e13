import numpy as np
import pytest
import torch

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
