import pytest
import torch
from torch import nn

from squeezenas.engine.bad_steps import BadSteps

NETWORK = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))


def count(steps, outcomes, what="training"):
    for step, finite in enumerate(outcomes):
        steps.count(finite, what, step, NETWORK)


def test_too_many_in_a_row_is_an_error_with_advice():
    steps = BadSteps(3, "lower the learning rate")
    count(steps, [False, False, True, False, False])
    assert steps.total == 4
    with pytest.raises(ValueError, match="3 training steps in a row were not finite") as caught:
        steps.count(False, "training", 5, NETWORK)
    assert "(step 5); lower the learning rate, or check the data" in str(caught.value)


def test_each_kind_has_its_own_row():
    steps = BadSteps(2, "advice")
    steps.count(False, "weight", 0, NETWORK)
    steps.count(False, "architecture", 0, NETWORK)
    assert steps.total == 2
    with pytest.raises(ValueError, match="2 weight steps"):
        steps.count(False, "weight", 1, NETWORK)


def test_spoilt_statistics_start_anew_and_sound_ones_stay():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2))
    network[0].running_mean.fill_(3.0)
    network[1].running_var[0] = float("nan")
    network[1].running_mean.fill_(7.0)
    BadSteps(9, "").count(False, "training", 0, network)
    assert network[0].running_mean.tolist() == [3, 3]
    assert network[1].running_mean.tolist() == [0, 0]
    assert network[1].running_var.tolist() == [1, 1]


def test_a_good_step_touches_nothing():
    network = nn.BatchNorm2d(1)
    network.running_mean.fill_(float("inf"))
    BadSteps(1, "").count(True, "training", 0, network)
    assert torch.isinf(network.running_mean).all()


def test_the_counts_come_back():
    before, after = BadSteps(3, "advice"), BadSteps(3, "advice")
    count(before, [False, True, False, False])
    after.load_state_dict(before.state_dict())
    assert after.total == 3
    with pytest.raises(ValueError, match="3 training steps in a row"):
        after.count(False, "training", 4, NETWORK)
