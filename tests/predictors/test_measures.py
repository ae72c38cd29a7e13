import itertools

import numpy as np
import pytest

from squeezenas.predictors.measures import measures
from squeezenas.predictors.scoring import split


def plain_tau(a, b):
    """Kendall's tau-b by counting pairs."""
    pairs = list(itertools.combinations(range(len(a)), 2))
    signs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in pairs]
    product = sum(x * y for x, y in signs)
    return product / np.sqrt(sum(x * x for x, _ in signs) * sum(y * y for _, y in signs))


def test_measures_against_their_definitions():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 20, 60) / 2
    predicted = values + rng.normal(0, 3, 60).round(1)
    found = measures(values, predicted, top=(1, 5))
    assert found["mse"] == pytest.approx(np.mean((values - predicted) ** 2))
    assert found["r2"] == pytest.approx(
        1 - ((values - predicted) ** 2).sum() / ((values - values.mean()) ** 2).sum()
    )
    assert found["kendall"] == pytest.approx(plain_tau(values, predicted))
    ranks = [
        [(x > y).sum() + ((x == y).sum() + 1) / 2 for x in v for y in [v]]
        for v in (values, predicted)
    ]
    assert found["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])


def test_regret_by_hand():
    found = measures([90, 94, 91, 93], [0.2, 0.1, 0.9, 0.8], top=(1, 2, 4, 9))
    assert [found[f"regret@{k}"] for k in (1, 2, 4, 9)] == [3, 1, 0, 0]


def test_what_says_nothing_ranks_nothing():
    found = measures([1, 2, 3], [5, 5, 5])
    assert (found["kendall"], found["spearman"]) == (0, 0)


def test_a_split_divides():
    training, test = split(100, 30, 0, seed=4)
    assert sorted([*training, *test]) == list(range(100))
    again, some = split(100, 30, 20, seed=4)
    assert (again == training).all()
    assert (some == test[:20]).all()
    assert (split(100, 30, 500, seed=4).test == test).all()
    assert (split(100, 30, 20, seed=5).training != training).any()
    with pytest.raises(ValueError, match="n=99 of 100 architectures leaves 1 to predict"):
        split(100, 99, 0, seed=0)
