"""Every registered strategy in every registered space: new files are tested the day they arrive."""

import random

import pytest
import torch

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import spaces
from squeezenas.core.strategy_config import Strategy
from squeezenas.strategies.base import strategies
from tests.search import toy  # noqa: F401  registers a space of this test suite
from tests.strategies.steps import search_step


@pytest.fixture(params=spaces.names())
def space(request):
    return spaces[request.param]()


def make(name, space, sampling, seed):
    return strategies[name](space, Strategy(name=name, sampling=sampling), seed, "cpu")


@pytest.mark.parametrize("sampling", ["soft", "hard"])
@pytest.mark.parametrize("name", strategies.names())
def test_contract(name, sampling, space):
    strategy = make(name, space, sampling, 3)
    keys = [choice.key for choice in space.choices]
    sizes = {choice.key: len(choice.options) for choice in space.choices}

    strategy.anneal(0.0)
    for path in (strategy.propose(2), *strategy.paths(2)):
        assert list(path) == keys
        assert all(path[key].shape in {(sizes[key], 1), (sizes[key], 2)} for key in keys)
        assert path.hard == strategy.hard
        if path.hard and name != "gumbel":  # which draws choices independently
            space.architecture([path.picks[key] for key in keys])  # raises if it is not legal

    scored = {key: torch.arange(size, dtype=torch.float32) for key, size in sizes.items()}
    before = strategy.probabilities()

    def cost(rows):
        return sum((scored[key] @ rows[key].reshape(sizes[key], -1)).mean() for key in keys)

    step = search_step(cost, cost, penalised=lambda loss, path_cost, mean: loss + mean)
    for _ in range(3):
        metrics = strategy.learn(step)
    assert metrics["architecture/expected_cost"] > 0
    assert strategy.end_epoch(step) == {}
    assert not strategy.finished
    after = strategy.probabilities()
    for key in keys:
        assert after[key].dtype == torch.float32
        assert after[key].device.type == "cpu"
        assert not after[key].requires_grad
        torch.testing.assert_close(after[key].sum(), torch.tensor(1.0))
    if name in ("gumbel", "darts"):  # those that follow a gradient
        assert float(cost(after)) < float(cost(before))

    strategy.anneal(1.0)
    proposals = strategy.candidates(random.Random(0))
    proposed = [next(proposals)]
    for score in (0.5, 0.7):
        proposed.append(proposals.send((proposed[-1], score)))
    for architecture in (strategy.result(), strategy.sample(random.Random(0)), *proposed):
        assert isinstance(architecture, Architecture)
        assert space.read(space.write(architecture)) == architecture

    twin = make(name, space, sampling, 4)
    twin.anneal(1.0)
    twin.load_state_dict(strategy.state_dict())
    twins = twin.propose(2)
    for key, weights in strategy.propose(2).items():
        assert torch.equal(weights, twins[key])
