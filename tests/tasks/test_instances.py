import math

import numpy as np
import pytest
import torch

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.tasks.confusion import ConfusionMatrix
from squeezenas.tasks.instances import InstanceScores

IGNORE = 255
CLASSES = ("road", "person", "rider", "car", "bus")
SIZES = {"person": 40.0, "rider": 25.5, "car": 100.0, "bus": 300.0}
CPU = torch.device("cpu")


@pytest.fixture
def card():
    return DatasetCard(
        name="toy", title="Toy", layout="folders", root="toy", splits={"val": ["val"]},
        classes=CLASSES, palette=[(0, 0, 0)] * 5, label_ids={7: 0, 24: 1, 25: 2, 26: 3, 28: 4},
        ignore_ids=[0, 29], licence="none", how_to_get="draw it", instance_sizes=SIZES,
        categories={"flat": ["road"], "human": ["person", "rider"], "vehicle": ["car", "bus"]},
    )  # fmt: skip


def frame(seed):
    """Instance ids in blocks of 4x5, labels of them, and predictions of which a part is wrong."""
    rng = np.random.default_rng(seed)
    kinds = [7, 24, 26, 0, 29000, 29001, *range(24000, 24004), 25000, *range(26000, 26003)]
    ids = np.kron(rng.choice(kinds, (6, 8)), np.ones((4, 5), int)).astype(np.uint16)
    label_ids = np.where(ids >= 1000, ids // 1000, ids)
    table = {0: IGNORE, 29: IGNORE, 7: 0, 24: 1, 25: 2, 26: 3}
    labels = np.vectorize(table.get)(label_ids).astype(np.uint8)
    random = rng.choice([0, 1, 2, 3, 4, IGNORE], labels.shape)
    return ids, labels, np.where(rng.random(labels.shape) < 0.7, labels, random).astype(np.uint8)


def plain(frames, own, label_ids, sizes):
    """iIoU of one class or group by the definition, pixel by pixel."""
    hits = misses = false = 0.0
    for ids, labels, predictions in frames:
        for instance in np.unique(ids[ids >= 1000]):
            if instance // 1000 in label_ids:
                pixels = predictions[ids == instance]
                weight = sizes[label_ids.index(instance // 1000)] / len(pixels)
                right = sum(prediction in own for prediction in pixels)
                hits += weight * right
                misses += weight * (len(pixels) - right)
        for label, prediction in zip(labels.ravel(), predictions.ravel(), strict=True):
            false += label not in (*own, IGNORE) and prediction in own
    return hits / (hits + misses + false) if hits + misses + false else math.nan


def scored(card, frames):
    confusion, instances = ConfusionMatrix(5, IGNORE, CPU), InstanceScores(card, CPU)
    for ids, labels, predictions in frames:
        confusion.update(torch.from_numpy(labels), torch.from_numpy(predictions))
        instances.update(ids, predictions)
    return confusion, instances


def test_scores_are_those_of_the_definition(card):
    frames = [frame(seed) for seed in range(3)]
    confusion, instances = scored(card, frames)
    wanted = [
        plain(frames, [train_id], [label_id], [SIZES[CLASSES[train_id]]])
        for train_id, label_id in ((1, 24), (2, 25), (3, 26), (4, 28))
    ]
    found = instances.class_iiou(confusion).tolist()
    assert math.isnan(found[0])  # road has no instances
    assert found[4] == 0  # predicted and never there
    assert found[1:] == pytest.approx(wanted, rel=1e-12)
    assert instances.categories == ("human", "vehicle")
    assert instances.category_iiou(confusion).tolist() == pytest.approx(
        [plain(frames, [1, 2], [24, 25], [40, 25.5]), plain(frames, [3, 4], [26, 28], [100, 300])],
        rel=1e-12,
    )


def test_an_instance_weighs_as_much_as_the_mean_one(card):
    ids = np.full((10, 10), 7, np.uint16)
    ids[0, :2], ids[5:, :] = 26000, 26001  # a car of 2 pixels and one of 50
    predictions = np.zeros((10, 10), np.uint8)
    predictions[5:] = 3
    labels = np.where(ids == 7, 0, 3).astype(np.uint8)
    confusion, instances = scored(card, [(ids, labels, predictions)])
    assert float(instances.class_iiou(confusion)[3]) == pytest.approx(0.5)
    assert float(confusion.class_iou()[3]) == pytest.approx(50 / 52)


def test_a_frame_without_instances(card):
    road = np.full((4, 4), 7, np.uint16)
    nothing = np.zeros_like(road, np.uint8)
    confusion, instances = scored(card, [(road, nothing, nothing)])
    assert instances.class_iiou(confusion).isnan().all()
    assert instances.category_iiou(confusion).isnan().all()


def test_a_category_needs_the_size_of_every_class(card):
    small = card.model_copy(update={"instance_sizes": {"person": 40.0, "car": 100.0}})
    frames = [frame(5)]
    confusion, instances = scored(small, frames)
    assert instances.categories == ()
    assert instances.category_iiou(confusion).shape == (0,)
    found = instances.class_iiou(confusion)
    assert found.isnan().tolist() == [True, False, True, False, True]
    assert float(found[1]) == pytest.approx(plain(frames, [1], [24], [40.0]), rel=1e-12)


def test_joined_leaves_the_part_alone(card):
    _, instances = scored(card, [frame(1)])
    before = instances.class_sums.clone()
    whole = instances.joined()
    whole.update(*(array for index, array in enumerate(frame(2)) if index != 1))
    assert torch.equal(instances.class_sums, before)
    assert not torch.equal(whole.class_sums, before)
