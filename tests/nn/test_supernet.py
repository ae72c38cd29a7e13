"""The whole supernet against its slow twin and against stand-alone networks."""

import random

import pytest
import torch
from torch import Tensor, nn

from squeezenas.core.space import SearchSpace, spaces
from squeezenas.nn.mixed import MixedUnit
from squeezenas.nn.path import Path
from tests.nn.trace import Trace, Weights, assert_same, mixture, randomised, trace
from tests.slow_twin import slow_twin


def supernet(memory: str = "full", joined: bool = False) -> tuple[SearchSpace, nn.Module]:
    torch.manual_seed(0)
    space = spaces["squeezenas_small"]()
    network = randomised(space.supernet(5, "lr_aspp", memory).double())
    for module in network.modules():
        if isinstance(module, MixedUnit):
            module.joined = joined
    return space, network.to(memory_format=torch.channels_last)


def run(network: nn.Module, images: Tensor, weights: Weights) -> Tensor:
    logits: Tensor = network(images, Path(weights))
    return logits


def step(network: nn.Module, space: SearchSpace) -> Trace:
    torch.manual_seed(1)
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)
    weights = {choice.key: mixture(len(choice.options), 2) for choice in space.choices}
    return trace(network, run, images, weights)


@pytest.fixture(scope="module")
def expected() -> Trace:
    space, network = supernet()
    return step(slow_twin(network), space)


@pytest.mark.parametrize(("memory", "joined"), [("full", False), ("lean", True)])
def test_a_training_step_is_that_of_the_slow_twin(
    memory: str, joined: bool, expected: Trace
) -> None:
    space, network = supernet(memory, joined)
    assert_same(step(network, space), expected, rtol=1e-6, atol=1e-7)


def test_an_architecture_step_needs_no_weight_gradients(expected: Trace) -> None:
    space, network = supernet("lean", joined=True)
    found = step(network.requires_grad_(False), space)
    assert not any(name.startswith("gradient") for name in found)
    kept = {name: value for name, value in expected.items() if not name.startswith("gradient")}
    assert_same(found, kept, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("training", [False, True])
def test_a_hard_path_is_the_network_that_inherits_its_weights(training: bool) -> None:
    space, network = supernet()
    network.train(training)
    images = torch.randn(2, 3, 32, 64, dtype=torch.float64)
    architecture = space.sample(random.Random(0))
    alone = space.network(architecture, 5, "lr_aspp").double().train(training)
    space.inherit(network, alone, architecture)
    with torch.no_grad():
        hard = network(images, Path.of(architecture, space.choices, batch=2))
        torch.testing.assert_close(hard, alone(images))


def test_inheriting_copies() -> None:
    space, network = supernet()
    architecture = space.sample(random.Random(0))
    alone = space.network(architecture, 5, "lr_aspp").double()
    space.inherit(network, alone, architecture)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for parameter in alone.parameters():
        nn.init.zeros_(parameter)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_hard_path_has_gradients_for_its_own_weights_alone() -> None:
    space, network = supernet()
    architecture = space.sample(random.Random(3))
    path = Path.of(architecture, space.choices, batch=1)
    rows = {key: row.double().requires_grad_() for key, row in path.items()}
    network(torch.randn(1, 3, 64, 64, dtype=torch.float64), Path(rows, path.picks)).sum().backward()
    for index, pick in enumerate(architecture.picks):
        for option, candidate in enumerate(network.units[index].candidates):
            if option != pick:
                assert all(p.grad is None for p in candidate.parameters())
            else:
                assert all(p.grad is not None for p in candidate.parameters())
    zero = [i for i, text in enumerate(space.write(architecture)) if text == "skip"]
    for index, choice in enumerate(space.choices):
        if index not in zero:
            assert rows[choice.key].grad[architecture.picks[index]].abs().sum() > 0
