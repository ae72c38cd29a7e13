import math
import random
from collections import Counter

import pytest
import torch

from squeezenas.core.strategy_config import ArchitectureOptimiser, Strategy, Temperature
from squeezenas.strategies.gumbel import Gumbel
from tests.search.toy import ToySpace
from tests.strategies.steps import search_step

DRAWS = 4000


def gumbel(sampling="soft", seed=0, **optimiser):
    config = Strategy(sampling=sampling, optimiser=ArchitectureOptimiser(**optimiser))
    strategy = Gumbel(ToySpace(), config, seed, "cpu")
    with torch.no_grad():
        for number, logits in enumerate(strategy.logits.values()):
            logits.copy_(torch.linspace(-1.0, 1.5, len(logits)).roll(3 * number))
    return strategy


def chi_square(counts, row):
    """Pearson's statistic; under the null its mean is the number of options less one."""
    total = sum(counts.values())
    return sum((counts[i] - total * p) ** 2 / (total * p) for i, p in enumerate(row))


def learn(strategy, prefer=1.0, steps=1):
    """Steps on a loss that likes the first option, with a cost that likes the last."""

    def liked(path):
        return -prefer * sum(weights[0].mean() for weights in path.values())

    def cost(path):
        return sum(weights[0].mean() for weights in path.values())

    step = search_step(liked, cost, 4)
    for _ in range(steps):
        metrics = strategy.learn(step)
    return metrics


def test_each_image_has_noise_of_its_own():
    for weights in gumbel().propose(5).values():
        assert weights.shape == (13, 5)
        assert weights.dtype == torch.float32
        torch.testing.assert_close(weights.sum(0), torch.ones(5))
        assert len(weights[0].unique()) == 5


def test_the_largest_weight_is_drawn_from_the_softmax():
    """Gumbel-max (arXiv:1611.01144, eq. 1): at any temperature."""
    strategy = gumbel()
    strategy.temperature = 2.0
    path = strategy.propose(DRAWS)
    for key, row in strategy.probabilities().items():
        counts = Counter(path[key].argmax(0).tolist())
        assert chi_square(counts, row.tolist()) < 40  # 12 degrees of freedom: p < 1e-4


def test_samples_follow_the_probabilities():
    strategy, rng = gumbel(), random.Random(1)
    picks = [strategy.sample(rng).picks for _ in range(DRAWS)]
    for position, row in enumerate(strategy.probabilities().values()):
        logits = list(strategy.logits.values())[position].tolist()
        total = math.fsum(map(math.exp, logits))
        assert row.tolist() == pytest.approx([math.exp(a) / total for a in logits], rel=1e-5)
        assert chi_square(Counter(pick[position] for pick in picks), row.tolist()) < 40


def test_cold_weights_are_nearly_one_hot_and_hot_ones_nearly_even():
    strategy = gumbel()
    for temperature, low, high in ((1e-3, 0.95, 1.0), (1e3, 1 / 13, 0.09)):
        strategy.temperature = temperature
        for weights in strategy.propose(50).values():
            assert low <= weights.max(0).values.mean().item() <= high + 1e-6


def test_hard_weights_are_ones_with_the_gradient_of_the_soft_ones():
    hard, soft = gumbel("hard"), gumbel()
    path, relaxed = hard.propose(3), soft.propose(1)  # the same noise: one column each
    assert path.hard
    for key, weights in path.items():
        pick = path.picks[key]
        assert weights.shape == (13, 3)
        assert (weights[pick] == 1).all()
        assert weights.sum() == 3
        assert pick == int(relaxed[key].argmax())
        (found,) = torch.autograd.grad(weights[pick].sum(), hard.logits[key])
        (wanted,) = torch.autograd.grad(3 * relaxed[key][pick].sum(), soft.logits[key])
        torch.testing.assert_close(found, wanted)
        assert found.abs().sum() > 0


@pytest.mark.parametrize(
    ("schedule", "middle"), [("linear", 2.55), ("exponential", math.sqrt(0.5))]
)
def test_temperature_schedules(schedule, middle):
    temperature = Temperature(schedule=schedule, start=5.0, end=0.1)
    strategy = Gumbel(ToySpace(), Strategy(temperature=temperature), 0, "cpu")
    assert strategy.temperature == 5.0
    for progress, wanted in ((0.0, 5.0), (0.5, middle), (1.0, 0.1)):
        strategy.anneal(progress)
        assert strategy.temperature == pytest.approx(wanted)


def test_learning_moves_towards_what_the_loss_likes():
    strategy = Gumbel(ToySpace(), Strategy(), 0, "cpu")
    first = learn(strategy)
    last = learn(strategy, steps=200)
    assert first["architecture/expected_cost"] == pytest.approx(4 / 13)
    assert last["architecture/expected_cost"] > 2.5
    assert strategy.result().picks == (0, 0, 0, 0)


def test_a_step_without_finite_gradients_changes_nothing():
    strategy = gumbel()
    before = {key: logits.clone() for key, logits in strategy.logits.items()}

    def first(path):
        return path["unit00"].sum()

    step = search_step(first, first, gradients=lambda *_: None)
    assert strategy.learn(step) is None
    assert all(torch.equal(before[key], logits) for key, logits in strategy.logits.items())


@pytest.mark.parametrize("sampling", ["soft", "hard"])
@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_restored_strategy_goes_on_bit_for_bit(name, sampling, tmp_path):
    straight = gumbel(sampling, name=name, lr=0.1)
    learn(straight, steps=3)
    torch.save(straight.state_dict(), tmp_path / "state.pt")
    resumed = Gumbel(ToySpace(), straight.config, 99, "cpu")
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for strategy in (straight, resumed):
        learn(strategy, steps=2)
    again = resumed.propose(3)
    for key, weights in straight.propose(3).items():
        assert torch.equal(straight.logits[key], resumed.logits[key])
        assert torch.equal(weights, again[key])


def test_the_seed_fixes_the_noise():
    one, same, other = (gumbel(seed=seed).propose(2)["unit02"] for seed in (7, 7, 8))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
