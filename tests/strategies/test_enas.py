import math
import random
from collections import Counter

import pytest
import torch

from squeezenas.core.strategy_config import Strategy
from squeezenas.nn.controller import Rollout
from squeezenas.strategies.enas import Enas
from tests.strategies.steps import search_step
from tests.strategies.toy import Toy, TwoOfFour, enumerated

DRAWS = 4000


def enas(space, seed=0, optimiser=None, double=False, **keys):
    optimiser = optimiser or {"lr": 0.01, "weight_decay": 0.0}
    strategy = Enas(space, Strategy(optimiser=optimiser, enas=keys), seed, "cpu")
    if double:
        strategy.controller.double()
    return strategy


def opinionated(space, double=False, **keys):
    """A controller whose weights are large enough that it prefers some architectures."""
    strategy = enas(space, double=double, temperature=0.5, **keys)
    with torch.no_grad():
        for parameter in strategy.controller.parameters():
            parameter *= 4
    return strategy


def forced(strategy, architecture):
    picks = torch.tensor(architecture.picks)
    return strategy.controller(1, lambda n, _: picks[n : n + 1], strategy.space.allowed)


def step_of(reward):
    """A step that rewards picks: `reward(tuple of picks)`."""
    return search_step(None, reward=lambda path: reward(tuple(path.picks.values())))


@pytest.mark.parametrize("space", [Toy(3, 2, 4, 3), TwoOfFour()])
def test_probabilities_of_all_architectures_sum_to_one(space):
    strategy = opinionated(space, double=True)
    p = [float(strategy.log_prob(a).detach().exp()) for a in enumerated(space)]
    assert math.fsum(p) == pytest.approx(1.0, abs=1e-12)
    assert max(p) > 2 / len(p)


def test_what_no_legal_architecture_has_is_impossible():
    strategy = opinionated(TwoOfFour())
    rollout = strategy.controller(
        1, lambda number, _: torch.tensor([int(number < 3)]), lambda picks: [len(picks) < 2] * 3
    )
    assert torch.isfinite(rollout.rows[0]).all()
    illegal = strategy.controller(
        1, lambda number, _: torch.tensor([int(number < 3)]), strategy.space.allowed
    )
    assert float(illegal.log_prob().detach().exp()) == 0.0
    assert torch.isfinite(illegal.entropy()).all()


def test_samples_follow_the_probabilities():
    space = TwoOfFour()
    strategy, rng = opinionated(space), random.Random(0)
    expected = {a: DRAWS * float(strategy.log_prob(a).detach().exp()) for a in space.legal()}
    counts = Counter(strategy.sample(rng) for _ in range(DRAWS))
    assert set(counts) <= set(expected)
    chi_square = sum((counts[a] - n) ** 2 / n for a, n in expected.items())
    assert chi_square < 58  # 23 degrees of freedom: p < 1e-4


@pytest.mark.parametrize("space", [Toy(2, 3), TwoOfFour()])
def test_the_gradient_is_that_of_the_expected_reward_in_expectation(space):
    """Summed over all outcomes, each as often as it is drawn; the baseline changes nothing."""
    strategy = opinionated(space, double=True, entropy=0.0)
    torch.manual_seed(0)
    outcomes = enumerated(space)
    rewards = torch.rand(len(outcomes)).double()
    parameters = list(strategy.controller.parameters())
    expected = sum(strategy.log_prob(a).exp() * r for a, r in zip(outcomes, rewards, strict=True))
    unused = {"materialize_grads": True}  # the embedding of the last decision
    wanted = torch.autograd.grad(expected, parameters, **unused)
    found = [torch.zeros_like(p) for p in parameters]
    for architecture, reward in zip(outcomes, rewards, strict=True):
        loss = strategy.loss(forced(strategy, architecture), reward[None] - 0.37)
        often = strategy.log_prob(architecture).exp().detach()
        gradients = torch.autograd.grad(loss, parameters, **unused)
        for total, gradient in zip(found, gradients, strict=True):
            total -= often * gradient
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert max(gradient.abs().max() for gradient in wanted) > 1e-4


def test_the_loss_in_plain_numbers():
    strategy = enas(Toy(3, 2), entropy=0.1, skip_weight=0.8, skip_prior=0.4)
    p, q = ([0.2, 0.5, 0.3], [0.6, 0.3, 0.1]), ([0.9, 0.1], [0.25, 0.75])
    rows = [torch.tensor(rows).log() for rows in (p, q)]
    picks, advantages = [(1, 0), (2, 1)], (0.5, -2.0)
    wanted = 0.0
    for i in range(2):
        log_p = math.log(p[i][picks[i][0]]) + math.log(q[i][picks[i][1]])
        entropy = -sum(x * math.log(x) for x in (*p[i], *q[i]))
        wanted -= (advantages[i] * log_p + 0.1 * entropy) / 2
        no, yes = q[i]
        wanted += 0.8 * (no * math.log(no / 0.6) + yes * math.log(yes / 0.4)) / 2
    found = strategy.loss(Rollout(torch.tensor(picks), rows), torch.tensor(advantages))
    assert float(found) == pytest.approx(wanted, rel=1e-6)


def test_choices_with_the_same_options_share_a_layer():
    assert len(enas(Toy(3, 2, 3, 3, 2)).controller.heads) == 2
    for parameter in enas(Toy(3, 2)).controller.parameters():
        assert 0.09 < parameter.abs().max() <= 0.1
        assert parameter.shape[-1] == 100


def test_logits_are_bounded_by_the_tanh_constant():
    strategy = enas(Toy(6), tanh=1.5, temperature=1e-4)
    row = strategy.controller(1, lambda *_: torch.zeros(1).long(), strategy.space.allowed).rows[0]
    assert float((row.max() - row.min()).detach()) == pytest.approx(3.0, abs=1e-3)


@pytest.mark.parametrize("space", [Toy(3, 2, 4, 3), TwoOfFour()])
def test_it_learns_what_is_rewarded(space):
    best = enumerated(space)[-3].picks

    def reward(picks):
        return sum(p == b for p, b in zip(picks, best, strict=True)) / len(best)

    strategy = enas(space, optimiser={"lr": 0.02, "weight_decay": 0.0}, samples=8)
    first = strategy.learn(step_of(reward))
    for _ in range(150):
        last = strategy.learn(step_of(reward))
    assert last["architecture/reward"] > max(0.9, first["architecture/reward"])
    assert strategy.result().picks == best
    for row, pick in zip(strategy.probabilities().values(), best, strict=True):
        assert int(row.argmax()) == pick


def test_skip_connections_are_drawn_to_their_prior():
    strategy = enas(Toy(2, 2, 2), optimiser={"lr": 0.02, "weight_decay": 0.0}, skip_weight=0.8)
    for _ in range(80):
        strategy.learn(step_of(lambda picks: 0.0))
    for row in strategy.probabilities().values():
        assert row.tolist() == pytest.approx([0.6, 0.4], abs=0.02)


def test_the_baseline_is_a_moving_average_of_rewards():
    strategy = enas(Toy(2), baseline_decay=0.8, samples=3)
    given = iter([1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 0.0, 0.0, 0.0])
    step = step_of(lambda picks: next(given))
    found = [strategy.learn(step)["architecture/baseline"] for _ in range(3)]
    assert found == pytest.approx([2.0, 2.0, 0.8 * 2.0 + 0.2 * 5.0])


def test_a_reward_that_is_not_finite_changes_nothing():
    strategy = enas(Toy(3, 2))
    before = [p.detach().clone() for p in strategy.controller.parameters()]
    assert strategy.learn(step_of(lambda picks: math.nan)) is None
    for parameter, kept in zip(strategy.controller.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)


def test_a_path_is_one_legal_architecture():
    space = TwoOfFour()
    strategy = enas(space)
    for _ in range(20):
        path = strategy.propose(5)
        assert path.hard
        architecture = space.architecture(list(path.picks.values()))
        for choice, pick in zip(space.choices, architecture.picks, strict=True):
            assert path[choice.key].tolist() == [[float(o == pick)] for o in range(3)]


def test_marginals_are_means_of_conditional_probabilities():
    strategy = opinionated(Toy(3, 2), samples=400)
    p = {a.picks: float(strategy.log_prob(a).detach().exp()) for a in enumerated(Toy(3, 2))}
    strategy.learn(step_of(lambda picks: 1.0))  # measured before its step is taken
    first, second = strategy.probabilities().values()
    wanted = [sum(p[i, j] for j in range(2)) for i in range(3)]
    assert first.tolist() == pytest.approx(wanted, abs=0.05)
    wanted = [sum(p[i, j] for i in range(3)) for j in range(2)]
    assert second.tolist() == pytest.approx(wanted, abs=0.05)


def test_a_restored_strategy_goes_on_bit_for_bit(tmp_path):
    def learn(strategy):
        for _ in range(3):
            strategy.propose(2)
            strategy.learn(step_of(lambda picks: sum(picks) / 9))

    straight = enas(TwoOfFour(), samples=2)
    learn(straight)
    torch.save(straight.state_dict(), tmp_path / "state.pt")
    learn(straight)
    resumed = enas(TwoOfFour(), seed=9, samples=2)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    learn(resumed)
    ours, theirs = straight.controller.state_dict(), resumed.controller.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert straight.propose(1).picks == resumed.propose(1).picks
    for key, row in straight.probabilities().items():
        assert torch.equal(row, resumed.probabilities()[key])
