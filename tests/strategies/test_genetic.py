import random
from collections import Counter

import pytest

from squeezenas.core.trial import Trial
from squeezenas.strategies.ask_tell import make_strategy
from tests.strategies.ask_tell import ToyChain, planted, searched

DRAWS = 4000


def genetic(space, seed=0, **keys):
    return make_strategy("genetic", keys, space, seed)


def with_parents(merits, **keys):
    """A strategy whose parents are option 0, 1, ... of the only choice, with these merits."""
    space = ToyChain(len(merits))
    strategy = genetic(space, population=len(merits), elite=0, **keys)
    for pick, merit in enumerate(merits):
        strategy.tell(Trial(pick, space.architecture([pick]), merit))
    return strategy


@pytest.mark.parametrize(
    ("selection", "shares"),
    [
        # Of (8, 2, 4, 3), the best in the first place.
        ("tournament", [4**3 - 3**3, 1, 3**3 - 2**3, 2**3 - 1]),
        ("roulette", [8 - 2, 0, 4 - 2, 3 - 2]),
        ("rank", [4, 1, 3, 2]),
    ],
)
def test_parents_are_drawn_in_these_shares(selection, shares):
    strategy = with_parents([8.0, 2.0, 4.0, 3.0], selection=selection, tournament=3)
    counts = Counter(strategy._parent(random.Random(number)).picks[0] for number in range(DRAWS))
    expected = [DRAWS * share / sum(shares) for share in shares]
    assert all(counts[pick] == 0 for pick, n in enumerate(expected) if n == 0)
    chi_square = sum((counts[pick] - n) ** 2 / n for pick, n in enumerate(expected) if n)
    assert chi_square < 21.1  # 3 degrees of freedom: p < 1e-4


def test_roulette_draws_all_alike_where_merits_are():
    strategy = with_parents([1.0, 1.0, 1.0], selection="roulette")
    assert {strategy._parent(random.Random(n)).picks[0] for n in range(100)} == {0, 1, 2}


def test_parents_are_the_last_generation_and_the_elite_before_it():
    space = ToyChain(*[4] * 6)
    merit, _ = planted(space)
    strategy = genetic(space, population=6, elite=1 / 3)
    told = [(t.architecture, t.merit) for t in searched(strategy, merit, 40)]
    parents = []
    for start in range(0, 36, 6):  # the last four trials are of a generation that is not complete
        elite = sorted(parents, key=lambda member: -member[1])[:2]
        pool = elite + told[start : start + 6]
        parents = sorted(pool, key=lambda member: -member[1])[:6]
    assert strategy._parents == parents


def test_children_have_the_options_of_two_parents():
    space = ToyChain(*[9] * 8)
    strategy = genetic(space, population=2, elite=0, crossover=1.0, mutations=1e-9)
    first, second = space.architecture([1] * 8), space.architecture([2] * 8)
    for number, architecture in enumerate((first, second)):
        strategy.tell(Trial(number, architecture, 1.0))
    children = [strategy.ask(number).architecture for number in range(100)]
    assert all(set(child.picks) <= {1, 2} for child in children)
    assert len(set(children)) > 50


def test_the_mean_number_of_mutations():
    space = ToyChain(*[50] * 20)
    strategy = genetic(space, population=2, elite=0, crossover=0.0, mutations=2.5)
    for number in range(2):
        strategy.tell(Trial(number, space.architecture([0] * 20), 1.0))
    changed = [
        sum(pick != 0 for pick in strategy._child(random.Random(number)).picks)
        for number in range(2000)
    ]
    # Binomial of 20 and 1/8; twice the same choice is rare.
    assert sum(changed) / 2000 == pytest.approx(2.5, abs=0.2)


def test_nothing_is_evaluated_twice_while_there_is_something_new():
    space = ToyChain(3, 3, 3, 3)
    merit, _ = planted(space)
    strategy = genetic(space, population=5)
    history = searched(strategy, merit, 60)
    assert len({trial.architecture for trial in history}) > 57
    new = strategy.ask(60).architecture
    assert strategy.ask(60, pending=[new]).architecture != new


def test_it_goes_on_when_all_is_evaluated():
    space = ToyChain(2, 2)
    merit, _ = planted(space)
    assert len({t.architecture for t in searched(genetic(space, population=3), merit, 30)}) == 4


@pytest.mark.parametrize("selection", ["tournament", "roulette", "rank"])
def test_it_finds_what_is_planted(selection):
    space = ToyChain(*[4] * 10)
    merit, _ = planted(space)
    best = sum(max(merit(space.architecture([0] * i + [o] + [0] * (9 - i))) for o in range(4))
               - merit(space.architecture([0] * 10)) for i in range(10))  # fmt: skip
    best += merit(space.architecture([0] * 10))
    found = max(trial.merit for trial in searched(genetic(space, selection=selection), merit, 400))
    assert found > 0.97 * best
