import math

import pytest
import torch

from squeezenas.core.architecture import Choice
from squeezenas.core.search_config import Cost
from squeezenas.costs.penalty import Penalty
from squeezenas.costs.table import CostTable

TABLE = CostTable(
    "macs",
    (Choice("a", ("x", "y", "z")), Choice("b", ("x", "y"))),
    {"a": (0.0, 1.0, 6.0), "b": (1.0, 4.0)},
    fixed=0.5,
)


def penalty(kind, **keys):
    return Penalty(Cost(penalty=kind, target=2.0, resolution=(64, 64), **keys))


def value(kind, loss=3.0, path_cost=5.0, cost=4.0, **keys):
    numbers = (torch.tensor(x) for x in (loss, path_cost, cost))
    return float(penalty(kind, **keys)(*numbers))


def test_the_formulas_by_hand():
    assert value("additive", multiplier=0.1) == pytest.approx(3.0 + 0.1 * 5.0)
    assert value("mnasnet", exponent=0.07) == pytest.approx(3.0 * 2.5**0.07)
    assert value("target", multiplier=0.1) == pytest.approx(3.0 + 0.1 * (4.0 / 2.0 - 1))
    # ln 5000 = 8.517193, and 8.517193^0.6 = 3.61559
    assert value("fbnet", alpha=0.2, beta=0.6) == pytest.approx(3.0 * 0.2 * 3.61559, rel=1e-5)


def test_fbnet_raises_the_logarithm_not_its_argument():
    published_code = 3.0 * 0.2 * math.log(5000**0.6)
    assert value("fbnet", alpha=0.2, beta=0.6) < 0.8 * published_code


@pytest.mark.parametrize("kind", ["additive", "mnasnet", "fbnet", "target"])
def test_gradients(kind):
    numbers = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (3.0, 5.0, 4.0)]
    assert torch.autograd.gradcheck(penalty(kind), numbers)
    by_path, by_mean = torch.autograd.grad(penalty(kind)(*numbers), numbers[1:], allow_unused=True)
    # The paper pays for the sampled path, the constraint is on the mean network.
    priced, other = (by_mean, by_path) if kind == "target" else (by_path, by_mean)
    assert priced > 0
    assert other is None


def test_the_multiplier_grows_above_the_target_and_falls_below():
    above, below = penalty("target", multiplier=1.0), penalty("target", multiplier=1.0)
    above.adapt(3.0)
    below.adapt(1.0)
    assert above.multiplier == pytest.approx(1.0 + 0.05 * 0.5)
    assert below.multiplier == pytest.approx(1.0 - 0.05 * 0.5)
    for _ in range(100):
        below.adapt(1.0)
    assert below.multiplier == 0.0


def test_the_multiplier_waits_while_the_cost_is_falling():
    falling = penalty("target", multiplier=1.0)
    falling.adapt(3.0)
    before = falling.multiplier
    falling.adapt(2.9)  # half of the way left, at 5 % of the target a step
    assert falling.multiplier < before


def test_only_the_target_mode_adapts():
    fixed = penalty("additive", multiplier=0.3)
    fixed.adapt(100.0)
    assert fixed.multiplier == 0.3


def expected_costs(taste, steps=600, lr=0.02, target=3.0):
    """Expected cost after each step of Adam on logits; `taste`: how much dear options help."""
    logits = [torch.zeros(3, requires_grad=True), torch.zeros(2, requires_grad=True)]
    adam = torch.optim.Adam(logits, lr)
    paid = Penalty(Cost(penalty="target", target=target, resolution=(64, 64)))
    costs = []
    for _ in range(steps):
        rows = [row.softmax(0) for row in logits]
        cost = TABLE.expected(dict(zip(("a", "b"), rows, strict=True)))
        loss = 2.0 - taste * torch.log1p(cost)
        adam.zero_grad()
        paid(loss, cost, cost).backward()
        adam.step()
        paid.adapt(cost.item())
        costs.append(cost.item())
    return costs


@pytest.mark.parametrize("taste", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("target", [2.5, 3.5, 5.0])
def test_the_expected_cost_is_led_to_the_target_and_held_there(taste, target):
    tail = expected_costs(taste, target=target)[-200:]
    assert max(tail) <= 1.05 * target
    # Where nothing asks for more cost, nothing pulls the mean back up to its upper bound.
    assert min(tail) >= (0.95 if taste else 0.9) * target


def test_a_restored_penalty_goes_on():
    straight = penalty("target")
    straight.adapt(3.0)
    resumed = penalty("target")
    resumed.load_state_dict(straight.state_dict())
    for one in (straight, resumed):
        one.adapt(2.5)
    assert straight.multiplier == resumed.multiplier
