import math
import random

import pytest

from squeezenas.core.trial import Trial
from squeezenas.strategies.ask_tell import make_strategy
from tests.strategies.ask_tell import ToyChain, planted, searched


def annealing(space, seed=0, **keys):
    return make_strategy("annealing", keys, space, seed)


def test_it_walks_as_metropolis_does():
    """A plain loop over all merits, sorted anew at every step."""
    space = ToyChain(*[3] * 8)
    merit, _ = planted(space)
    keys = {"startup": 7, "temperature": 0.4, "cooling": 0.97}
    strategy = annealing(space, seed=5, **keys)
    history = searched(strategy, merit, 200)
    here, moves, worse = None, 0, 0
    for number, trial in enumerate(history):
        rng = strategy.rng(number)
        start = here is None or number < keys["startup"]
        wanted = space.sample(rng) if start else space.mutate(here.architecture, rng)
        assert trial.architecture == wanted
        values = sorted(t.merit for t in history[: number + 1])
        spread = values[3 * len(values) // 4] - values[len(values) // 4]
        steps = len(values) - keys["startup"]
        temperature = keys["temperature"] * keys["cooling"] ** steps * spread if steps > 0 else 0
        if here is None or trial.merit >= here.merit:
            here = trial
        elif temperature:
            draw = strategy.rng(-1 - number).random()
            if draw < math.exp((trial.merit - here.merit) / temperature):
                here, worse = trial, worse + 1
        moves += here is trial
    assert worse > 3
    assert moves < 190


@pytest.mark.parametrize("loss", [0.1, 1.0, 3.0])
def test_a_worse_one_is_moved_to_with_the_probability_of_metropolis(loss):
    space = ToyChain(3)
    strategy = annealing(space, startup=1, temperature=0.5, cooling=1.0)
    for number, merit in enumerate((0.0, 2.0, 4.0, 6.0, 8.0)):
        strategy.tell(Trial(number, space.architecture([0]), merit))
    assert strategy.temperature() == 0.5 * (6.0 - 2.0)
    accepted = sum(strategy.accepts(-loss, number) for number in range(4000))
    p = math.exp(-loss / 2.0)
    assert accepted / 4000 == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 4000))


def test_the_walk_starts_from_the_best_of_the_random_ones():
    space = ToyChain(50, 50)
    strategy = annealing(space, startup=3)
    for number, merit in enumerate((1.0, 5.0, 2.0)):
        strategy.tell(Trial(number, space.architecture([number, number]), merit))
    near = strategy.ask(3).architecture.picks
    assert near.count(1) == 1


def test_failed_trials_neither_cool_nor_move():
    space = ToyChain(50, 50)
    strategy = annealing(space, startup=2)
    for number, merit in enumerate((1.0, 2.0, 3.0, 4.0)):
        strategy.tell(Trial(number, space.architecture([number, number]), merit))
    before = strategy.temperature(), strategy.ask(9)
    strategy.tell(Trial(4, space.architecture([7, 7]), None))
    assert (strategy.temperature(), strategy.ask(9)) == before


def test_it_finds_what_is_planted():
    space = ToyChain(*[4] * 8)
    merit, _ = planted(space)
    rng = random.Random(0)
    random_best = max(merit(space.sample(rng)) for _ in range(300))
    assert max(trial.merit for trial in searched(annealing(space), merit, 300)) > random_best
