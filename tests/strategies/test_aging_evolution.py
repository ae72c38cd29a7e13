import random
from collections import Counter

import pytest

from squeezenas.core.trial import Trial
from squeezenas.strategies.ask_tell import REDRAW, make_strategy
from tests.strategies.ask_tell import ToyChain, planted, searched


def evolution(space, seed=0, **keys):
    return make_strategy("aging_evolution", keys, space, seed)


def algorithm_1(space, merit, cycles, draws, population_size=100, sample_size=25, aging=True):
    """The pseudocode of arXiv:1802.01548, line by line; `draws(number)` is the chance of a cycle.

    Without aging, the worst of the sample is removed in place of the oldest.
    """
    population, history = [], []
    while len(population) < population_size:
        model = space.sample(draws(len(history)))
        population.append((model, merit(model)))
        history.append(model)
    while len(history) < cycles:
        chance = draws(len(history))
        sample = []
        while len(sample) < sample_size:
            sample.append(population[int(chance.random() * len(population))])
        parent = sample[0]
        for candidate in sample:
            if candidate[1] > parent[1]:
                parent = candidate
        child = parent[0] if chance.random() < 0.05 else space.mutate(parent[0], chance)
        dead = population[0]
        if not aging:
            dead = sample[0]
            for candidate in sample:
                if candidate[1] < dead[1]:
                    dead = candidate
        population.append((child, merit(child)))
        history.append(child)
        del population[next(i for i, member in enumerate(population) if member is dead)]
    return history


@pytest.mark.parametrize("aging", [True, False])
def test_it_follows_algorithm_1_for_2000_trials(aging):
    space = ToyChain(*[4] * 12)
    additive, _ = planted(space)

    def merit(architecture):  # no two alike, and not additive alone
        return additive(architecture) + random.Random(str(architecture.picks)).random()

    strategy = evolution(space, seed=3, aging=aging)
    found = [trial.architecture for trial in searched(strategy, merit, 2000)]
    assert found == algorithm_1(space, merit, 2000, strategy.rng, aging=aging)
    assert len(set(found)) > 300


def test_who_dies_is_the_worst_of_the_sample_that_was_drawn():
    """Also where the search asked again, under another number than the trial's."""
    space, again = ToyChain(6), 3 * REDRAW
    strategy = evolution(space, population=6, sample=2, aging=False)
    for pick in range(6):
        strategy.tell(Trial(pick, space.architecture([pick]), merit=float(pick)))
    for number in range(6, 30):
        alive = [merit for _, merit in strategy._population]
        drawn = strategy.rng(number + again).choices(alive, k=2)
        proposal = strategy.ask(number + again)
        new = 6.0 + number
        strategy.tell(Trial(number, proposal.architecture, new, None, proposal.notes))
        alive.remove(min(drawn))
        assert [merit for _, merit in strategy._population] == [*alive, new]


def test_the_defaults_are_those_of_the_paper():
    keys = evolution(ToyChain(2)).config
    assert (keys.population, keys.sample, keys.identity, keys.aging) == (100, 25, 0.05, True)


def test_parents_are_the_best_of_a_sample_with_replacement():
    """The k-th best is the parent with probability ((P - k + 1) / P)^S - ((P - k) / P)^S."""
    members, sample, draws = 8, 3, 4000
    space = ToyChain(members)
    strategy = evolution(space, population=members, sample=sample, identity=1.0)
    for pick in range(members):
        strategy.tell(Trial(pick, space.architecture([pick]), merit=-float(pick)))
    counts = Counter(strategy.ask(number).architecture.picks[0] for number in range(draws))
    expected = [
        draws * (((members - k) / members) ** sample - ((members - k - 1) / members) ** sample)
        for k in range(members)
    ]
    chi_square = sum((counts[k] - n) ** 2 / n for k, n in enumerate(expected))
    assert chi_square < 29.9  # 7 degrees of freedom: p < 1e-4


def test_one_in_twenty_children_is_its_parent():
    space = ToyChain(*[3] * 5)
    strategy = evolution(space, population=2, sample=1)
    parent = space.architecture([0] * 5)
    for number in range(2):
        strategy.tell(Trial(number, parent, merit=1.0))
    same = sum(strategy.ask(number).architecture == parent for number in range(4000))
    assert 200 - 4 * 13.8 < same < 200 + 4 * 13.8  # binomial


def test_the_oldest_dies_however_good_it_is():
    space = ToyChain(4)
    strategy = evolution(space, population=2, sample=50, identity=1.0)
    merits = [9.0, 1.0, 2.0]
    for number, merit in enumerate(merits):
        strategy.tell(Trial(number, space.architecture([number]), merit))
    assert strategy.ask(3).architecture.picks == (2,)
    tournament = evolution(space, population=2, sample=50, identity=1.0, aging=False)
    for number, merit in enumerate(merits):
        tournament.tell(Trial(number, space.architecture([number]), merit))
    assert tournament.ask(3).architecture.picks == (0,)


def test_failed_trials_are_not_members():
    space = ToyChain(50)
    strategy = evolution(space, population=5, sample=5, identity=1.0)
    for number in range(5):
        strategy.tell(Trial(number, space.architecture([number]), merit=1.0))
    for number in range(5, 50):
        strategy.tell(Trial(number, space.architecture([number]), merit=None))
    assert {strategy.ask(number).architecture.picks[0] for number in range(200)} == set(range(5))


def test_random_search_draws_as_the_space_does():
    space = ToyChain(3, 2)
    strategy = make_strategy("random", {}, space, 0)
    counts = Counter(strategy.ask(number).architecture for number in range(3000))
    assert sum((counts[a] - 500) ** 2 / 500 for a in counts) < 25.7  # 5 degrees: p < 1e-4
    assert len(counts) == space.size()
