"""A space of chains with a value that only depends on its picks, for predictors."""

import random

import numpy as np

from tests.strategies.ask_tell import ToyChain

SPACE = ToyChain(3, 4, 3, 2, 4, 3)

QUICK = {
    "gcn": {"hidden": 32, "dense": 32, "epochs": 30, "lr": 0.01, "batch_size": 20},
    "mlp": {"epochs": 40, "lr": 0.01, "batch_size": 20},
    "rnn": {"hidden": 32, "embedding": 16, "epochs": 40, "lr": 0.01, "batch_size": 20},
    "boosting": {"trees": 100, "lr": 0.1},
}


def value(architecture):
    """A sum over choices and one product of two of them, in about 0.5..0.9."""
    weights = np.random.default_rng(1).random((6, 4))
    picks = architecture.picks
    return (
        0.5
        + 0.08 * sum(weights[place, pick] for place, pick in enumerate(picks))
        + (0.05 * weights[0, picks[0]] * weights[4, picks[4]])
    )


def drawn(count, seed=0, space=SPACE):
    """Different architectures and their values."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found), np.array([value(architecture) for architecture in found])
