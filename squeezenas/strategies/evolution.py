"""Evolution among architectures that a trained supernet scores (SPOS, arXiv:1904.00420, alg. 1).

Endless, so that the caller decides how many networks may be scored; an architecture is not proposed
twice as long as others are easily found.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace
from squeezenas.core.strategy_config import SinglePath

TRIES = 20  # to breed a child that is not scored yet, and to draw a random one in its place


def evolve(
    space: SearchSpace, config: SinglePath, rng: random.Random
) -> Generator[Architecture, tuple[Architecture, float], None]:
    """Random architectures, then generation after generation of children of the best so far.

    What was scored in place of each, and its score, is to be sent back; higher is better. The space
    keeps parents and
    children legal: a mutation is as many of its single ones as choices are drawn to change.

    Args:
        space: where it happens.
        config: sizes of population and generations.
        rng: the only source of chance.
    """
    scores: dict[Architecture, float] = {}

    def unseen(breed: Callable[[], Architecture]) -> Architecture:
        for draw in [breed] * TRIES + [lambda: space.sample(rng)] * TRIES:
            child = draw()
            if child not in scores:
                break
        return child

    def crossed() -> Architecture:
        return space.crossover(rng.choice(parents), rng.choice(parents), rng)

    def mutated() -> Architecture:
        child = rng.choice(parents)
        for _ in space.choices:
            if rng.random() < config.mutation_probability:
                child = space.mutate(child, rng)
        return child

    for _ in range(config.population):
        scored, score = yield unseen(lambda: space.sample(rng))
        scores[scored] = score
    while True:
        parents = sorted(scores, key=lambda known: -scores[known])[: config.parents]
        for breed in [crossed] * config.crossovers + [mutated] * config.mutations:
            scored, score = yield unseen(breed)
            scores[scored] = score
