import math

import pytest
import torch
from torch import nn

from squeezenas.core.config import Optimiser
from squeezenas.engine.optim import learning_rate, optimiser


def rates(steps=100, **keys):
    return [learning_rate(Optimiser(lr=0.2, **keys), step, steps) for step in range(steps)]


def test_cosine():
    found = rates(schedule="cosine")
    assert found[0] == 0.2
    assert found[50] == pytest.approx(0.1)
    assert found[25] == pytest.approx(0.2 * math.cos(math.pi / 8) ** 2)  # half-angle form
    assert 0 < found[-1] < 1e-3
    assert found == sorted(found, reverse=True)


def test_poly():
    found = rates(schedule="poly")
    assert found[0] == 0.2
    assert found[75] == pytest.approx(0.2 * 0.25**0.9)
    assert found == sorted(found, reverse=True)


def test_constant_with_warmup():
    found = rates(schedule="constant", warmup_steps=4)
    assert found[:5] == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.2])
    assert set(found[4:]) == {0.2}


def test_warmup_multiplies_the_schedule():
    plain, warm = rates(schedule="poly"), rates(schedule="poly", warmup_steps=10)
    assert warm[4] == pytest.approx(plain[4] / 2)
    assert warm[10:] == plain[10:]


NETWORK = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3, bias=False))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_only_matrices_are_decayed(name, kind):
    made = optimiser(NETWORK, Optimiser(name=name, weight_decay=0.01))
    assert type(made) is kind
    decay = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert {key: decay[id(p)] for key, p in NETWORK.named_parameters()} == {
        "0.weight": 0.01, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0, "2.weight": 0.01,
    }  # fmt: skip


def test_a_step_without_momentum_is_plain_descent():
    network = nn.Linear(2, 1, bias=False)
    before = network.weight.detach().clone()
    made = optimiser(network, Optimiser(lr=0.5, momentum=0.0, weight_decay=0.1))
    network.weight.grad = torch.ones(1, 2)
    made.step()
    torch.testing.assert_close(network.weight.detach(), before - 0.5 * (1 + 0.1 * before))
