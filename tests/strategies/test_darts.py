import random
from contextlib import contextmanager
from statistics import fmean

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from squeezenas.core.strategy_config import Strategy
from squeezenas.nn.path import Path
from squeezenas.strategies import curvature, darts
from squeezenas.strategies.darts import Darts
from tests.strategies.steps import search_step
from tests.strategies.toy import Toy, TwoOfFour

RATE, MOMENTUM, DECAY, PRICE = 0.3, 0.9, 3e-2, 0.2


class Problem:
    """A toy supernet, a batch to train on, one held out, and momentum from steps before."""

    def __init__(self, space):
        torch.manual_seed(0)
        self.network = space.supernet(3)
        self.training = torch.randn(16, 4).double(), torch.randint(3, (16,))
        self.held_out = torch.randn(16, 4).double(), torch.randint(3, (16,))
        self.weights = list(self.network.parameters())
        self.momenta = [torch.randn_like(weight) for weight in self.weights]

    def loss(self, path):
        images, labels = self.held_out
        return F.cross_entropy(self.network(images, path), labels)

    def training_loss(self, path):
        images, labels = self.training
        return F.cross_entropy(self.network(images, path), labels)

    @staticmethod
    def cost(path):
        """The later an option, the dearer."""
        rows = [row.reshape(len(row), -1).mean(1).double() for row in path.values()]
        return sum(torch.arange(len(row)).double() @ row for row in rows)

    @contextmanager
    def untouched(self):
        state = {key: value.clone() for key, value in self.network.state_dict().items()}
        yield
        self.network.load_state_dict(state)

    def step(self, rate=RATE, **more):
        def update(gradients):
            parts = zip(self.momenta, gradients, self.weights, strict=True)
            return [rate * (MOMENTUM * m + g + DECAY * w.detach()) for m, g, w in parts], rate

        return search_step(
            self.loss,
            self.cost,
            16,
            penalised=lambda loss, path_cost, cost: loss * (1 + PRICE * cost),
            training_loss=self.training_loss,
            weights=self.weights,
            virtual_update=update,
            untouched=self.untouched,
            **more,
        )

    def differentiated(self, strategy):
        """The gradients of the held-out loss after a weight step, by autograd through the step."""
        logits = {k: a.detach().double().requires_grad_() for k, a in strategy.logits.items()}
        path = Path({k: torch.softmax(a, 0)[:, None] for k, a in logits.items()})
        weights = dict(self.network.named_parameters())

        def loss(weights, batch):
            buffers = {k: v.clone() for k, v in self.network.named_buffers()}
            logits = functional_call(self.network, (weights, buffers), (batch[0], path))
            return F.cross_entropy(logits, batch[1])

        slope = torch.autograd.grad(
            loss(weights, self.training), list(weights.values()), create_graph=True
        )
        ahead = {
            name: weight - RATE * (MOMENTUM * momentum + gradient + DECAY * weight)
            for (name, weight), momentum, gradient in zip(
                weights.items(), self.momenta, slope, strict=True
            )
        }
        total = loss(ahead, self.held_out) * (1 + PRICE * self.cost(path))
        return torch.autograd.grad(total, list(logits.values()))


def strategy_of(space, seed=0, optimiser=None, double=True, **keys):
    """By default its first step subtracts just the gradient, and it computes in float64."""
    plain = {"name": "sgd", "lr": 1.0, "weight_decay": 0.0}
    config = Strategy(optimiser=optimiser or plain, darts=keys)
    strategy = Darts(space, config, seed, "cpu")
    for number, logits in enumerate(strategy.logits.values()):
        logits.data += torch.linspace(-0.5, 0.7, len(logits)).roll(number)
        if double:
            logits.data = logits.data.double()
    return strategy


def stepped(strategy, step):
    before = {key: logits.detach().clone() for key, logits in strategy.logits.items()}
    metrics = strategy.learn(step)
    return metrics, [before[key] - logits.detach() for key, logits in strategy.logits.items()]


@pytest.mark.parametrize(("length", "tolerance"), [(1e-4, 1e-6), (0.01, 5e-3)])
def test_second_order_is_autograd_through_the_weight_step(monkeypatch, length, tolerance):
    monkeypatch.setattr(curvature, "LENGTH", length)
    space = Toy(3, 2, 4)
    problem, strategy = Problem(space), strategy_of(space, order=2)
    wanted = problem.differentiated(strategy)
    cost = float(problem.cost(strategy.probabilities()))
    metrics, found = stepped(strategy, problem.step())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * 1e-2)
    assert metrics["architecture/expected_cost"] == pytest.approx(cost)
    _, first = stepped(strategy_of(space), problem.step())
    assert max((a - b).abs().max() for a, b in zip(first, wanted, strict=True)) > 1e-2


def test_first_order_is_a_rate_of_zero():
    space = Toy(3, 2, 4)
    problem = Problem(space)
    _, first = stepped(strategy_of(space, order=1), problem.step())
    _, second = stepped(strategy_of(space, order=2), problem.step(rate=0.0))
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("failing", [None, 0, 1, 2, 3])
def test_weights_and_statistics_are_put_back(failing):
    space = Toy(3, 2)
    problem, strategy = Problem(space), strategy_of(space, order=2)
    before = {key: value.clone() for key, value in problem.network.state_dict().items()}
    calls = []

    def gradients(loss, parameters):
        calls.append(len(parameters))
        found = list(torch.autograd.grad(loss, parameters))
        return None if len(calls) - 1 == failing else found

    metrics, found = stepped(strategy, problem.step(gradients=gradients))
    assert (metrics is None) == (failing is not None)
    assert all(not part.any() for part in found) == (failing is not None)
    for key, value in problem.network.state_dict().items():
        assert torch.equal(value, before[key])


def test_only_the_second_order_needs_gradients_of_weights():
    assert not strategy_of(Toy(2), order=1).needs_weights
    assert strategy_of(Toy(2), order=2).needs_weights


def test_the_path_is_a_softmax_for_all_images():
    strategy = strategy_of(Toy(3, 2), double=False)
    path = strategy.propose(5)
    assert not path.hard
    for key, row in strategy.probabilities().items():
        assert path[key].shape == (len(row), 1)
        torch.testing.assert_close(path[key][:, 0].detach(), row)


def test_parameters_begin_near_zero_and_follow_the_seed():
    one, same, other = (Darts(Toy(400), Strategy(), seed, "cpu") for seed in (1, 1, 2))
    values = one.logits["choice0"].detach()
    assert values.std().item() == pytest.approx(1e-3, rel=0.15)
    assert torch.equal(values, same.logits["choice0"])
    assert not torch.equal(values, other.logits["choice0"])


def test_what_it_draws_and_finds_is_legal():
    space, rng = TwoOfFour(), random.Random(0)
    strategy = strategy_of(space, double=False)
    drawn = [strategy.sample(rng) for _ in range(300)]
    assert set(drawn) == set(space.legal())
    assert strategy.result() == space.derive(
        {key: row.tolist() for key, row in strategy.probabilities().items()}
    )


def test_the_eigenvalue_is_that_of_the_explicit_hessian(monkeypatch):
    monkeypatch.setattr(curvature, "LENGTH", 1e-3)
    space = Toy(3, 2, 4)
    problem = Problem(space)
    strategy = strategy_of(space, eigenvalue_every=2, iterations=9)
    sizes = [len(logits) for logits in strategy.logits.values()]

    def loss(flat):
        rows = zip(strategy.logits, flat.split(sizes), strict=True)
        return problem.loss(Path({key: torch.softmax(row, 0)[:, None] for key, row in rows}))

    before = {key: value.clone() for key, value in problem.network.state_dict().items()}
    assert strategy.end_epoch(problem.step()) == {}
    metrics = strategy.end_epoch(problem.step())
    for key, value in problem.network.state_dict().items():
        assert torch.equal(value, before[key])
    flat = torch.cat([logits.detach() for logits in strategy.logits.values()])
    hessian = torch.autograd.functional.hessian(loss, flat)
    wanted = float(torch.linalg.eigvalsh(hessian)[-1])
    assert metrics == {"architecture/eigenvalue": pytest.approx(wanted, rel=1e-6)}
    assert not strategy.finished


def smoothed_stop(values, ratio):
    """The epoch to stop after and the one to return to, by means of five around an epoch."""
    for centre in range(7, len(values) - 2):
        earlier, later = (fmean(values[c - 2 : c + 3]) for c in (centre - 5, centre))
        if earlier / later < ratio:
            return centre + 2, centre - 5
    return None


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("growth", [0.95, 1.0, 1.04, 1.1, 1.5])
def test_the_search_stops_when_curvature_rises(monkeypatch, growth, ratio):
    values = [0.1 * growth ** max(epoch - 6, 0) for epoch in range(24)]
    measured = iter(values)
    monkeypatch.setattr(darts, "largest_eigenvalue", lambda *_: next(measured))
    keys = {"eigenvalue_every": 1, "stop_ratio": ratio}
    strategy = strategy_of(Toy(3), **keys)
    step = search_step(lambda path: path["choice0"].sum())
    history = []
    for _ in values:
        with torch.no_grad():
            strategy.logits["choice0"][0] += 0.1
        history.append(strategy.logits["choice0"].detach().clone())
        resumed = strategy_of(Toy(3), seed=5, **keys)
        resumed.load_state_dict(strategy.state_dict())
        strategy = resumed
        strategy.end_epoch(step)
        if strategy.finished:
            break
    wanted = smoothed_stop(values, ratio)
    assert strategy.finished == (wanted is not None)
    if wanted is not None:
        assert len(history) - 1 == wanted[0]
        assert torch.equal(strategy.logits["choice0"], history[wanted[1]])


def test_stopping_without_measuring_is_refused():
    with pytest.raises(ValueError, match="eigenvalue_every=1"):
        Strategy(darts={"stop_ratio": 0.75})


@pytest.mark.parametrize("order", [1, 2])
def test_a_restored_strategy_goes_on_bit_for_bit(order, tmp_path):
    def fresh(seed):
        keys = {"order": order, "eigenvalue_every": 1, "iterations": 2}
        return strategy_of(space, seed, {"lr": 0.1}, double=False, **keys)

    def learn(strategy):
        for _ in range(3):
            strategy.learn(problem.step())
            strategy.end_epoch(problem.step())

    space = Toy(3, 2)
    problem, straight = Problem(space), fresh(0)
    learn(straight)
    torch.save(straight.state_dict(), tmp_path / "state.pt")
    learn(straight)
    resumed = fresh(9)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    learn(resumed)
    assert straight.state_dict()["epochs"] == resumed.state_dict()["epochs"] == 6
    for key, logits in straight.logits.items():
        assert torch.equal(logits, resumed.logits[key])
