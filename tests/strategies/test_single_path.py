import itertools
import random
from collections import Counter

import pytest
import torch

from squeezenas.core.strategy_config import Strategy
from squeezenas.strategies.single_path import SinglePath
from tests.strategies.steps import search_step
from tests.strategies.toy import Toy, TwoOfFour

DRAWS = 4800


def single_path(space, seed=0, **keys):
    return SinglePath(space, Strategy(single_path=keys), seed, "cpu")


def scored(strategy, score, rng, number):
    """The first candidates, each of which is told its score."""
    generator = strategy.candidates(rng)
    found = [next(generator)]
    while len(found) < number:
        found.append(generator.send((found[-1], score(found[-1]))))
    return found


def test_paths_are_uniform_over_legal_architectures():
    space = TwoOfFour()
    strategy = single_path(space)
    counts = Counter()
    for _ in range(DRAWS):
        (path,) = strategy.paths(7)
        counts[space.architecture(list(path.picks.values()))] += 1
        assert all(weights.shape == (3, 1) for weights in path.values())
    even = DRAWS / 24
    assert sum((counts[a] - even) ** 2 / even for a in space.legal()) < 58  # p < 1e-4


def test_fair_paths_run_every_option_once():
    strategy = single_path(Toy(4, 4, 4), fair=True)
    drawn = set()
    for _ in range(50):
        paths = strategy.paths(2)
        assert len(paths) == 4
        for key in paths[0]:
            assert sorted(path.picks[key] for path in paths) == [0, 1, 2, 3]
            assert torch.stack([path[key] for path in paths]).sum(0).tolist() == [[1.0]] * 4
        drawn |= {tuple(path.picks.values()) for path in paths}
    assert len(drawn) > 50  # of 64: the choices are shuffled apart from each other


@pytest.mark.parametrize("space", [Toy(3, 2), TwoOfFour()])
def test_fairness_is_refused_where_it_cannot_be(space):
    with pytest.raises(ValueError, match=f"{space.name} has not; use fair=false"):
        single_path(space, fair=True)


def test_nothing_is_learned():
    strategy = single_path(Toy(3, 2))
    metrics = strategy.learn(
        search_step(None, lambda rows: sum((torch.arange(len(r)) * r).sum() for r in rows.values()))
    )
    assert metrics == {"architecture/expected_cost": pytest.approx(1.5)}
    assert strategy.probabilities()["choice1"].tolist() == [0.5, 0.5]
    assert single_path(TwoOfFour()).result() in TwoOfFour().legal()


def test_evolution_finds_what_random_search_does_not():
    """A goal in 6^10 architectures, scored by how many choices are right."""
    space, goal = Toy(*[6] * 10), (3, 1, 4, 1, 5, 0, 2, 2, 5, 3)

    def score(architecture):
        return sum(a == b for a, b in zip(architecture.picks, goal, strict=True))

    strategy = single_path(space)
    best = [max(map(score, scored(strategy, score, random.Random(seed), 500))) for seed in range(3)]
    uniform = random.Random(0)
    assert min(best) >= 9
    assert max(score(space.sample(uniform)) for _ in range(500)) <= 7


def test_no_architecture_is_proposed_twice_until_all_are_known():
    space = Toy(3, 3, 3)
    found = scored(single_path(space, population=10), lambda a: sum(a.picks), random.Random(0), 40)
    assert len(set(found[:20])) == 20
    assert len(set(found)) <= 27


def test_a_selection_may_ask_for_less_than_a_population():
    assert len(scored(single_path(Toy(3, 3)), lambda a: 0.0, random.Random(0), 1)) == 1


def test_children_have_the_options_of_the_best():
    space = Toy(*[9] * 12)
    keys = {"population": 6, "parents": 2, "crossovers": 4, "mutations": 30}
    strategy = single_path(space, mutation_probability=0.25, **keys)
    scores = {}

    def score(architecture):  # children are worse than all of the population
        return scores.setdefault(architecture, -abs(len(scores) - 2.2))

    found = scored(strategy, score, random.Random(3), 40)
    one, other = sorted(found[:6], key=scores.get)[-2:]
    for child in found[6:10]:
        pairs = zip(child.picks, one.picks, other.picks, strict=True)
        assert all(pick in pair for pick, *pair in pairs)
        assert child not in (one, other)
    changes = [
        min(sum(map(int.__ne__, child.picks, parent.picks)) for parent in (one, other))
        for child in found[10:]
    ]
    assert 1 <= min(changes) <= max(changes) < 9
    assert 2 < sum(changes) / len(changes) < 4  # 12 choices, a quarter of them, some twice


def test_children_are_legal():
    space = TwoOfFour()
    found = scored(single_path(space, population=5), lambda a: a.picks[0], random.Random(0), 60)
    assert set(found) <= set(space.legal())
    assert len(set(found)) > 20


def test_the_same_generator_gives_the_same_candidates():
    strategy = single_path(Toy(4, 4, 4))
    one, same, other = (
        scored(strategy, lambda a: sum(a.picks), random.Random(seed), 60) for seed in (1, 1, 2)
    )
    assert one == same != other


@pytest.mark.parametrize("fair", [False, True])
def test_a_restored_strategy_goes_on_bit_for_bit(fair, tmp_path):
    def draw(strategy):
        return [path.picks for path in itertools.chain(*(strategy.paths(2) for _ in range(3)))]

    straight = single_path(Toy(3, 3, 3), fair=fair)
    draw(straight)
    torch.save(straight.state_dict(), tmp_path / "state.pt")
    resumed = single_path(Toy(3, 3, 3), seed=9, fair=fair)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draw(straight) == draw(resumed)
