import copy
import io
import math
import sys
import types

import pytest
import torch
from torch import nn

from squeezenas.core.retrain_config import StageOptimiser
from squeezenas.core.search_config import Optimiser
from squeezenas.engine import precision
from squeezenas.engine.optim import (
    learning_rate,
    optimiser,
    restore_optimiser,
    sgd_update,
    take_step,
    timm_optimiser,
)
from squeezenas.engine.torchvision_import import import_torchvision


def rates(steps=100, warmup=0, **keys):
    return [learning_rate(Optimiser(lr=0.2, **keys), step, steps, warmup) for step in range(steps)]


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
    found = rates(schedule="constant", warmup=4)
    assert found[:5] == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.2])
    assert set(found[4:]) == {0.2}


def test_warmup_multiplies_the_schedule():
    plain, warm = rates(schedule="poly"), rates(schedule="poly", warmup=10)
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


def timm_names():
    import_torchvision()
    from timm.optim import list_optimizers

    return list_optimizers()


def stepped(network, made, steps):
    for seed in steps:
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        made.zero_grad()
        network(images).square().mean().backward()
        torch.manual_seed(seed)
        made.step()


def test_every_optimiser_of_timm_learns_and_resumes_bit_for_bit():
    """Those that need a GPU's libraries or second derivatives say so."""
    refused = {}
    torch.manual_seed(0)
    start = copy.deepcopy(NETWORK)
    for name in timm_names():
        if name.startswith("kron"):  # importing the compiler it uses takes longer than all others
            continue
        config = StageOptimiser(name=name, lr=1e-3, weight_decay=0.01)
        network = copy.deepcopy(start)
        try:
            made = timm_optimiser(network, config)
        except ValueError as error:
            refused[name] = str(error)
            continue
        stepped(network, made, [0, 1])
        file = io.BytesIO()
        torch.save([network.state_dict(), made.state_dict()], file)
        weights, state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        resumed = copy.deepcopy(start)
        resumed.load_state_dict(weights)
        again = timm_optimiser(resumed, config)
        restore_optimiser(again, state)
        stepped(network, made, [2, 3])
        stepped(resumed, again, [2, 3])
        for key, tensor in network.state_dict().items():
            assert torch.equal(tensor, resumed.state_dict()[key]), (name, key)
        assert not torch.equal(network[0].weight, start[0].weight), name
    reasons = {"fused": "needs NVIDIA's apex", "bnb": "cannot be made", "adah": "second derivative"}
    for name, message in refused.items():
        assert message.startswith(f"optimiser.name={name} ")
        assert any(name.startswith(begin) and text in message for begin, text in reasons.items())
    assert {"sgd", "adamw", "lamb", "lion", "nadamw", "rmsproptf"} & set(refused) == set()


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "rmsprop"])
def test_vectors_are_not_decayed_by_timms(name):
    made = timm_optimiser(NETWORK, StageOptimiser(name=name, lr=0.1, weight_decay=0.01))
    decay = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert {key: decay[id(p)] for key, p in NETWORK.named_parameters()} == {
        "0.weight": 0.01, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0, "2.weight": 0.01,
    }  # fmt: skip
    assert {group["lr"] for group in made.param_groups} == {0.1}


def test_momentum_reaches_the_optimisers_that_have_one():
    for name, momentum in (("sgd", 0.7), ("momentum", 0.0), ("lion", 0.9)):
        made = timm_optimiser(NETWORK, StageOptimiser(name=name, momentum=momentum))
        assert all(group.get("momentum", momentum) == momentum for group in made.param_groups)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "sgdd",
            r"optimiser\.name=sgdd: timm has no such optimiser \(did you mean 'sgd'\?\); it has",
        ),
        ("adahessian", "needs second derivatives.*choose another optimiser"),
    ],
)
def test_optimisers_that_cannot_be_had(name, told):
    with pytest.raises(ValueError, match=told):
        timm_optimiser(NETWORK, StageOptimiser(name=name))


def test_settings_that_an_optimiser_refuses():
    """Nesterov's step, which timm means by sgd, needs a momentum."""
    with pytest.raises(ValueError, match=r"name=sgd cannot be made .*momentum.*; change"):
        timm_optimiser(NETWORK, StageOptimiser(name="sgd", momentum=0.0))


@pytest.mark.parametrize("plain", ["sgd", "adam", "lamb"])
def test_fused_optimisers_need_apex_and_a_gpu(monkeypatch, plain):
    config = StageOptimiser(name=f"fused{plain}")
    monkeypatch.setitem(sys.modules, "apex", types.ModuleType("apex"))  # the other project
    monkeypatch.setitem(sys.modules, "apex.optimizers", None)
    with pytest.raises(ValueError, match=f"NVIDIA's apex .*not the package.*; use {plain} "):
        timm_optimiser(NETWORK, config)
    monkeypatch.setitem(sys.modules, "apex.optimizers", types.ModuleType("apex.optimizers"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"needs a GPU; use {plain} instead"):
        timm_optimiser(NETWORK, config)


def state_of(network, name="adam"):
    made = timm_optimiser(network, StageOptimiser(name=name))
    stepped(network, made, [0])
    return made.state_dict()


@pytest.mark.parametrize(
    "other",
    [
        nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.Conv2d(5, 2, 3, bias=False)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
        nn.Sequential(*copy.deepcopy(NETWORK), nn.Conv2d(2, 2, 1)),
    ],
)
def test_a_state_of_other_parameters_is_refused(other):
    """PyTorch takes other shapes without a word and fails, or does not, at the next step."""
    made = timm_optimiser(NETWORK, StageOptimiser(name="adam"))
    with pytest.raises(ValueError, match="does not fit this network; it is of another arch"):
        restore_optimiser(made, state_of(other))
    assert not made.state


@pytest.mark.parametrize("clip", [0.0, 0.05, 100.0])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, True), (0.9, False), (0.9, True)])
def test_the_virtual_update_is_the_step_that_is_taken(clip, momentum, nesterov):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)).double()
    config = Optimiser(lr=0.3, momentum=momentum, nesterov=nesterov, weight_decay=0.1)
    made = optimiser(network, config)
    parameters = [p for group in made.param_groups for p in group["params"]]
    for _ in range(3):
        made.zero_grad()
        network(torch.randn(4, 5).double()).square().sum().backward()
        gradients = [p.grad.clone() for p in parameters]
        before = [p.detach().clone() for p in parameters]
        updates, slope = sgd_update(made, gradients, clip)
        doubled, _ = sgd_update(made, [2 * g for g in gradients], 2 * clip)
        take_step(made, precision.scaler("fp32", torch.device("cpu")), network, clip)
        for was, update, now in zip(before, updates, parameters, strict=True):
            torch.testing.assert_close(was - update, now.detach())
        grown = [b - a for a, b in zip(updates, doubled, strict=True)]
        wanted = [slope * g for g in gradients]
        torch.testing.assert_close(grown, wanted, rtol=1e-4, atol=1e-8)
