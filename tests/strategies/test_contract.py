"""Every registered strategy in every registered space: new files are tested the day they arrive."""

import random

import pytest
import torch

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strategy
from squeezenas.core.space import spaces
from squeezenas.strategies.base import SearchStep, strategies
from tests.search import toy  # noqa: F401  registers a space of this test suite


@pytest.fixture(params=spaces.names())
def space(request):
    return spaces[request.param]()


@pytest.mark.parametrize("sampling", ["soft", "hard"])
@pytest.mark.parametrize("name", strategies.names())
def test_contract(name, sampling, space):
    strategy = strategies[name](space, Strategy(name=name, sampling=sampling), 3, "cpu")
    keys = [choice.key for choice in space.choices]
    sizes = {choice.key: len(choice.options) for choice in space.choices}

    strategy.anneal(0.0)
    path = strategy.propose(2)
    assert list(path) == keys
    assert all(path[key].shape == (sizes[key], 2) for key in keys)
    assert path.hard == (sampling == "hard")

    scored = {key: torch.arange(size, dtype=torch.float32) for key, size in sizes.items()}
    before = strategy.probabilities()

    def cost(rows):
        return sum((scored[key] @ rows[key].reshape(sizes[key], -1)).mean() for key in keys)

    asked = []

    def gradients(loss, parameters):
        asked.append(len(parameters))
        return list(torch.autograd.grad(loss, parameters))

    step = SearchStep(2, cost, cost, lambda loss, path_cost, mean: loss + mean, gradients)
    for _ in range(3):
        metrics = strategy.learn(step)
    assert asked
    assert metrics["architecture/expected_cost"] > 0
    after = strategy.probabilities()
    for key in keys:
        assert after[key].dtype == torch.float32
        assert after[key].device.type == "cpu"
        assert not after[key].requires_grad
        torch.testing.assert_close(after[key].sum(), torch.tensor(1.0))
    assert float(cost(after)) < float(cost(before))

    strategy.anneal(1.0)
    for architecture in (strategy.result(), strategy.sample(random.Random(0))):
        assert isinstance(architecture, Architecture)
        assert space.read(space.write(architecture)) == architecture

    twin = strategies[name](space, Strategy(name=name, sampling=sampling), 4, "cpu")
    twin.anneal(1.0)
    twin.load_state_dict(strategy.state_dict())
    twins = twin.propose(2)
    for key, weights in strategy.propose(2).items():
        assert torch.equal(weights, twins[key])
