import math
import random
from itertools import product

import pytest
import torch

from squeezenas.costs.macs import macs_table
from squeezenas.search.distribution import describe, of_cost, random_of_cost, within_budget
from tests.search.toy import ToySpace

SPACE = ToySpace()
TABLE = macs_table(SPACE, 19, "lr_aspp", (64, 128))
MEAN = TABLE.fixed + sum(sum(row) / len(row) for row in TABLE.costs.values())


def expected(rows):
    return TABLE.fixed + sum(
        p * c for key, row in rows.items() for p, c in zip(row, TABLE.costs[key], strict=True)
    )


def entropy(rows):
    return -sum(p * math.log(p) for row in rows.values() for p in row if p)


def test_describe():
    rows = {choice.key: torch.full((13,), 1 / 13) for choice in SPACE.choices}
    rows["unit02"] = torch.tensor([0.0] * 12 + [1.0])
    found = describe(rows, SPACE)
    assert found["architecture/entropy"] == pytest.approx(3 / 4 * math.log(13), rel=1e-6)
    assert found["architecture/skips"] == 1


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_the_distribution_has_the_cost_asked_for(share):
    cost = TABLE.cheapest() + share * (TABLE.dearest() - TABLE.cheapest())
    rows = of_cost(TABLE, cost)
    assert expected(rows) == pytest.approx(cost, rel=1e-6)
    assert all(sum(row) == pytest.approx(1) and min(row) >= 0 for row in rows.values())


def test_it_is_uniform_at_the_mean_cost():
    for row in of_cost(TABLE, MEAN).values():
        assert row == pytest.approx([1 / len(row)] * len(row), rel=1e-6)


def test_no_other_distribution_of_that_cost_has_more_entropy():
    rows = of_cost(TABLE, 0.6 * MEAN)
    rng = random.Random(0)
    for _ in range(20):
        key = rng.choice(list(rows))
        costs, moved = TABLE.costs[key], list(rows[key])
        i, j, k = rng.sample(range(13), 3)
        shift = 1e-3 * min(moved)  # along the line that keeps both sum and mean cost
        for option, change in (
            (i, costs[j] - costs[k]), (j, costs[k] - costs[i]), (k, costs[i] - costs[j]),
        ):  # fmt: skip
            moved[option] += shift * change / max(costs)
        other = {**rows, key: moved}
        assert expected(other) == pytest.approx(expected(rows), rel=1e-9)
        assert entropy(other) <= entropy(rows) + 1e-12


@pytest.mark.parametrize("target", [0.002, 0.004, 0.006])
def test_random_networks_of_a_cost(target):
    found = random_of_cost(SPACE, TABLE, target, 30, random.Random(0))
    assert len(set(found)) == len(found) == 30
    assert all(0.9 * target <= TABLE.of(a) <= target for a in found)
    assert found == random_of_cost(SPACE, TABLE, target, 30, random.Random(0))


def test_random_networks_where_there_are_few():
    found = random_of_cost(SPACE, TABLE, TABLE.cheapest(), 5, random.Random(0))
    assert 1 <= len(found) <= 5
    assert all(TABLE.of(a) <= TABLE.cheapest() for a in found)


def log_p(seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        choice.key: torch.randn(13, generator=generator).log_softmax(0).tolist()
        for choice in SPACE.choices
    }


@pytest.mark.parametrize("target", [TABLE.cheapest(), 0.002, 0.004, 0.006])
def test_every_network_is_brought_within_the_budget(target):
    rng, likes = random.Random(0), log_p(0)
    for _ in range(50):
        before = SPACE.sample(rng)
        after = within_budget(before, SPACE, TABLE, target, likes)
        assert TABLE.of(after) <= target
        if TABLE.of(before) <= target:
            assert after == before


def test_the_cheapest_change_in_likelihood_is_made():
    """Where one change is enough and the two best changes are far apart, it is the best one."""
    likes = log_p(1)
    dearest = SPACE.architecture(
        [max(range(13), key=TABLE.costs[choice.key].__getitem__) for choice in SPACE.choices]
    )
    target = TABLE.dearest() * (1 - 1e-6)  # any saving at all is enough
    after = within_budget(dearest, SPACE, TABLE, target, likes)
    loss = {}
    for (position, choice), option in product(enumerate(SPACE.choices), range(13)):
        now = dearest.picks[position]
        saved = TABLE.costs[choice.key][now] - TABLE.costs[choice.key][option]
        if saved > 0:
            lost = likes[choice.key][now] - likes[choice.key][option]
            loss[position, option] = lost / saved
    position, option = min(loss, key=loss.__getitem__)
    wanted = list(dearest.picks)
    wanted[position] = option
    assert after.picks == tuple(wanted)


def test_an_impossible_budget_is_refused():
    cheapest = SPACE.architecture([12, 12, 12, 12])
    with pytest.raises(ValueError, match=r"no network costs at most 1e-09 GMACs"):
        within_budget(cheapest, SPACE, TABLE, 1e-9, log_p(0))
