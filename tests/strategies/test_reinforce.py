import json
import math
import statistics

import pytest
import torch

from squeezenas.core.architecture import Choice
from squeezenas.core.space import make_space
from squeezenas.core.trial import Trial
from squeezenas.nn.rollout import Rollout, following
from squeezenas.nn.token_controller import anchor_points
from squeezenas.strategies.ppo import PPO, PPOConfig
from squeezenas.strategies.reinforce import Reinforce, ReinforceConfig
from tests.strategies.toy import Toy, TwoOfFour, enumerated

BOTH = pytest.mark.parametrize("kind", [Reinforce, PPO])


class Chain(Toy):
    """Three layers of two or three operations, each of which may read every earlier one."""

    name = "toy_chain"

    def __init__(self):
        super().__init__()
        layers = [Choice(f"layer{i}", ("a", "b", "c")[: 3 - i % 2]) for i in range(3)]
        joins = {i: [Choice(f"layer{i}<{j}", ("no", "yes")) for j in range(i)] for i in range(3)}
        self.choices = tuple(c for i in range(3) for c in (layers[i], *joins[i]))


def strategy_of(kind, space, seed=0, **keys):
    return kind(space, kind.Config(**keys), seed)


def opinionated(kind, space, **keys):
    """A controller in float64 that prefers some architectures."""
    strategy = strategy_of(kind, space, spread=0.8, **keys)
    strategy.controller.double()
    return strategy


def forced(strategy, architectures):
    picks = torch.tensor([architecture.picks for architecture in architectures])
    return strategy.controller(len(picks), following(picks), strategy.space.allowed)


def search(strategy, merit, trials):
    """The trials, whose notes went through JSON as they do in a study."""
    history = []
    for number in range(trials):
        proposal = strategy.ask(number)
        notes = json.loads(json.dumps(dict(proposal.notes)))
        value = merit(proposal.architecture)
        history.append(Trial(number, proposal.architecture, value, notes=notes))
        strategy.tell(history[-1])
    return history


def replayed(strategy, history):
    twin = type(strategy)(strategy.space, strategy.config, strategy.seed)
    for trial in history:
        twin.tell(trial)
    return twin


def weights(strategy):
    return torch.cat([p.detach().flatten().clone() for p in strategy.controller.parameters()])


def test_defaults_are_the_papers():
    assert ReinforceConfig().model_dump() == {
        "layers": 2, "units": 35, "spread": 0.08, "lr": 6e-4, "batch": 8,
        "baseline_decay": 0.95, "entropy": 0.0,
    }  # fmt: skip
    keys = PPOConfig()
    assert (keys.layers, keys.units, keys.spread, keys.lr) == (1, 100, 0.1, 3.5e-4)
    assert (keys.clip, keys.entropy, keys.baseline_decay) == (0.2, 1e-5, 0.95)


def test_connections_of_a_layer_share_an_anchor_point():
    assert anchor_points(Chain().choices) == [(), (), (0,), (), (0, 1)]
    macro = make_space("enas_macro", {"layers": 4})
    assert anchor_points(macro.choices) == [(), (), (0,), (), (0, 1), (), (0, 1, 2)]
    cell = make_space("darts_cell")  # an edge has eight options there: an operation or none
    assert anchor_points(cell.choices) == [()] * len(cell.choices)
    assert anchor_points(Toy(2, 3).choices) == [(), ()]


@pytest.mark.parametrize("space", [Toy(3, 2, 4), TwoOfFour(), Chain()])
@pytest.mark.parametrize("layers", [1, 2])
def test_probabilities_of_all_architectures_sum_to_one(space, layers):
    strategy = opinionated(Reinforce, space, layers=layers)
    p = forced(strategy, enumerated(space)).log_prob().detach().exp()
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-12)
    assert float(p.max()) > 2 / len(p)


def cell(x, state, module):
    """One step of an LSTM, gate by gate."""
    h, c = state
    gates = module.weight_ih @ x + module.bias_ih + module.weight_hh @ h + module.bias_hh
    i, f, g, o = gates.chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@torch.no_grad()
def plain_log_prob(net, picks):
    """Of an architecture of `Chain`, decision by decision."""
    units = net.start.shape[1]
    states = [(torch.zeros(units).double(),) * 2 for _ in net.cells]

    def step(x):
        for layer, module in enumerate(net.cells):
            states[layer] = cell(x, states[layer], module)
            x = states[layer][0]
        return x

    x, total, anchors, rest = net.start[0], 0.0, [], list(picks)
    for layer in range(3):
        h = step(x)
        logits = net.heads[layer].weight @ h + net.heads[layer].bias
        pick = rest.pop(0)
        total += math.log(float(logits.exp()[pick] / logits.exp().sum()))
        x = net.embeddings[layer].weight[pick]
        if layer == 0:
            anchors.append(h)
            continue
        h = step(x)
        read = []
        for earlier in anchors:
            mixed = (net.previous.weight @ earlier + net.current.weight @ h).tanh()
            p = float((net.connection.weight[0] @ mixed).sigmoid())
            joined = rest.pop(0)
            total += math.log(p if joined else 1 - p)
            read += [earlier] if joined else []
        anchors.append(h)
        x = sum(read) / len(read) if read else torch.zeros(units).double()
    return total


@pytest.mark.parametrize("layers", [1, 2])
def test_skip_connections_are_attended_to_as_in_the_paper(layers):
    strategy = opinionated(Reinforce, Chain(), layers=layers, units=7)
    architectures = enumerated(Chain())
    found = forced(strategy, architectures).log_prob().tolist()
    wanted = [plain_log_prob(strategy.controller, a.picks) for a in architectures]
    assert found == pytest.approx(wanted, rel=1e-9)
    assert len({round(p, 6) for p in found}) == len(architectures)


@BOTH
@pytest.mark.parametrize("space", [Toy(2, 2), TwoOfFour()])
def test_the_gradient_is_that_of_the_expected_merit_in_expectation(kind, space):
    """Summed over all outcomes, each as often as it is drawn; the baseline changes nothing."""
    strategy = opinionated(kind, space, entropy=0.0)
    torch.manual_seed(0)
    outcomes = enumerated(space)
    merits = torch.rand(len(outcomes)).double()
    parameters = list(strategy.controller.parameters())
    unused = {"materialize_grads": True}
    log_p = forced(strategy, outcomes).log_prob()
    wanted = torch.autograd.grad((log_p.exp() * merits).sum(), parameters, **unused)
    found = [torch.zeros_like(p) for p in parameters]
    for outcome, merit, often in zip(outcomes, merits, log_p.detach().exp(), strict=True):
        rollout = forced(strategy, [outcome])
        before = rollout.log_prob().detach()
        loss = strategy.loss(rollout, merit[None] - 0.37, before)
        for total, gradient in zip(
            found, torch.autograd.grad(loss, parameters, **unused), strict=True
        ):
            total -= often * gradient
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert max(gradient.abs().max() for gradient in wanted) > 1e-4


def test_the_clipped_objective_in_plain_numbers():
    strategy = strategy_of(PPO, Toy(2), clip=0.2, entropy=0.3)
    p = [0.1, 0.5, 0.9, 0.5, 0.5]
    before = [0.2, 0.5, 0.5, 0.1, 0.9]
    advantages = [1.0, -2.0, 0.5, -1.0, -1.0]
    wanted = 0.0
    for now, then, advantage in zip(p, before, advantages, strict=True):
        ratio = now / then
        gain = min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
        entropy = -now * math.log(now) - (1 - now) * math.log(1 - now)
        wanted -= (gain + 0.3 * entropy) / 5
    row = torch.tensor([[now, 1 - now] for now in p], dtype=torch.float64).log()
    rollout = Rollout(torch.zeros(5, 1, dtype=torch.long), [row])
    told = torch.tensor(before, dtype=torch.float64).log()
    found = strategy.loss(rollout, torch.tensor(advantages, dtype=torch.float64), told)
    assert float(found) == pytest.approx(wanted, rel=1e-9)


def test_a_step_of_reinforce_is_adam_on_the_loss_of_a_batch():
    strategy, twin = (strategy_of(Reinforce, Toy(3, 2), batch=3, lr=0.01) for _ in range(2))
    merits = [1.0, 3.0, -1.0]
    told = iter(merits)
    history = search(strategy, lambda _: next(told), 3)
    baselines = [1.0, 1.0, 0.95 * 1.0 + 0.05 * 3.0]  # the average of what was told before
    advantages = torch.tensor([m - b for m, b in zip(merits, baselines, strict=True)])
    log_p = forced(twin, [trial.architecture for trial in history]).log_prob()
    optimiser = torch.optim.Adam(twin.controller.parameters(), 0.01)
    (-(advantages * log_p).mean()).backward()
    optimiser.step()
    torch.testing.assert_close(weights(strategy), weights(twin))


@BOTH
def test_it_learns_when_a_batch_is_complete_and_nothing_from_failures(kind):
    strategy = strategy_of(kind, Toy(3, 2), batch=4)
    before = weights(strategy)
    for number, merit in enumerate([0.1, None, 0.3, None, 0.4]):
        proposal = strategy.ask(number)
        strategy.tell(Trial(number, proposal.architecture, merit, notes=proposal.notes))
        assert torch.equal(weights(strategy), before)
    strategy.tell(Trial(9, strategy.ask(9).architecture, 0.9))  # one that it did not draw
    assert not torch.equal(weights(strategy), before)


@BOTH
def test_a_proposal_says_how_probable_it_was(kind):
    strategy = strategy_of(kind, TwoOfFour(), lr=0.05, batch=3)
    search(strategy, lambda a: float(sum(a.picks)), 9)
    proposal = strategy.ask(20)
    log_p = float(strategy.log_prob(proposal.architecture).detach())
    assert proposal.notes == {"log_prob": pytest.approx(log_p, rel=1e-5)}


@BOTH
def test_what_it_proposes_follows_from_the_history_alone(kind):
    strategy = strategy_of(kind, Chain(), lr=0.02, batch=4, seed=5)
    history = search(strategy, lambda a: None if a.picks[0] == 2 else float(sum(a.picks)), 30)
    torch.manual_seed(77)
    twin = replayed(strategy, history)
    for number in (30, 31, 1000, 30):
        strategy.ask(number + 1)
        assert twin.ask(number) == strategy.ask(number)
    other = kind(Chain(), strategy.config, 6)
    assert any(other.ask(number) != strategy.ask(number) for number in range(5))


@BOTH
def test_a_planted_bandit_is_solved(kind):
    """One best option a choice, 1,024 architectures; a random one has a quarter of them."""
    space = Toy(4, 4, 4, 4, 4)
    best = (2, 0, 3, 1, 2)
    keys = {"lr": 0.02} if kind is Reinforce else {"lr": 0.01, "units": 35}

    def merit(architecture):
        return sum(p == b for p, b in zip(architecture.picks, best, strict=True)) / len(best)

    history = search(strategy_of(kind, space, **keys), merit, 400)
    assert statistics.fmean(t.merit for t in history[:40]) < 0.4
    assert statistics.fmean(t.merit for t in history[-40:]) > 0.9
    assert any(t.architecture.picks == best for t in history)
