import itertools
import random
import statistics
import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from squeezenas.strategies.ask_tell import make_strategy
from squeezenas.strategies.optuna_sampler import legal
from tests.strategies.ask_tell import ConstrainedChain, ToyChain, planted, searched

NAMES = ["bayesian", "nsga2", "tpe"]


def test_what_is_legal_stays_and_the_rest_becomes_so():
    space = ConstrainedChain()
    lawful = {architecture.picks for architecture in space.legal()}
    for wanted in itertools.product(range(3), repeat=4):
        found = legal(space, wanted, random.Random(0)).picks
        assert found in lawful
        if wanted in lawful:
            assert found == wanted
        changed = next((i for i in range(4) if found[i] != wanted[i]), 4)
        assert all(
            space.allowed(found[:i])[wanted[i]] == (i != changed)
            for i in range(min(4, changed + 1))
        )


def test_options_that_replace_others_are_drawn():
    found = {legal(ConstrainedChain(), [0, 0, 0, 0], random.Random(n)).picks for n in range(50)}
    assert found == {(0, 0, a, b) for a in (1, 2) for b in (1, 2)}


@pytest.mark.parametrize(
    ("name", "keys", "trials"),
    [("tpe", {}, 40), ("nsga2", {"population": 10}, 60), ("bayesian", {}, 13)],
)
def test_proposals_are_those_of_the_library(name, keys, trials):
    """A study of its own, asked and told as its manual says, with the same seeds."""
    space = ToyChain(3, 4, 5, 2)
    merit, cost = planted(space)
    costs = cost if name == "nsga2" else lambda architecture: None
    strategy = make_strategy(name, keys, space, 11)
    history = searched(strategy, merit, trials, costs)
    directions = ["maximize", "minimize"] if name == "nsga2" else ["maximize"]
    study = optuna.create_study(directions=directions)
    choices = {c.key: CategoricalDistribution(range(len(c.options))) for c in space.choices}
    for number, trial in enumerate(history):
        values = [value for value in (trial.merit, trial.cost) if value is not None]
        if number < strategy.initial:  # ours come from the space
            params = dict(zip(choices, trial.architecture.picks, strict=True))
            known = {"values": values, "system_attrs": strategy.attributes(number)}
            study.add_trial(create_trial(params=params, distributions=choices, **known))
            continue
        study.sampler = strategy.sampler(strategy.rng(number).getrandbits(32))
        theirs = study.ask(choices)
        assert tuple(theirs.params[key] for key in choices) == trial.architecture.picks
        study.tell(theirs, values)


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_it_beats_random_search(name):
    space = ToyChain(*[4] * 10)
    merit, _ = planted(space)
    keys = {"nsga2": {"population": 15}}.get(name, {})
    found = [t.merit for t in searched(make_strategy(name, keys, space, 0), merit, 90)]
    drawn = [t.merit for t in searched(make_strategy("random", {}, space, 0), merit, 90)]
    assert max(found) > max(drawn)
    assert statistics.fmean(found[-15:]) > statistics.fmean(drawn) + statistics.stdev(drawn)


def test_nsga2_finds_more_of_the_front_than_random_search():
    """Merit and cost disagree in every choice; hypervolume over the point that nothing beats."""
    space = ToyChain(*[4] * 8)
    merit, cost = planted(space)

    def hypervolume(history):
        points = sorted({(t.cost, t.merit) for t in history})
        volume, best, worst = 0.0, 0.0, 1.0 + 3 * 8
        for (start, value), (end, _) in itertools.pairwise([*points, (worst, 0.0)]):
            best = max(best, value)
            volume += best * (end - start)
        return volume

    found, drawn = (
        hypervolume(searched(make_strategy(name, keys, space, 0), merit, 120, cost))
        for name, keys in (("nsga2", {"population": 20}), ("random", {}))
    )
    assert found > drawn


@pytest.mark.parametrize("name", NAMES)
def test_what_is_pending_is_heard_of_and_forgotten(name):
    space = ToyChain(4, 4, 4)
    merit, _ = planted(space)
    strategy = make_strategy(name, {"population": 5} if name == "nsga2" else {}, space, 0)
    searched(strategy, merit, 12)
    alone = strategy.ask(12)
    pending = [space.sample(random.Random(n)) for n in range(6)]
    asked = [strategy.ask(12, pending).architecture for _ in range(2)]
    assert asked[0] == asked[1]
    assert strategy.ask(12) == alone


def test_tpe_avoids_what_is_pending():
    space = ToyChain(6, 6, 6)
    merit, _ = planted(space)
    strategy = make_strategy("tpe", {}, space, 0)
    searched(strategy, merit, 40)
    alone = [strategy.ask(number).architecture for number in range(40, 60)]
    most = max(set(alone), key=alone.count)
    others = [strategy.ask(number, [most] * 8).architecture for number in range(40, 60)]
    assert others.count(most) < alone.count(most)


@pytest.mark.parametrize("name", NAMES)
def test_users_see_no_warning_of_the_library(name, capfd):
    space = ToyChain(3, 3)
    merit, _ = planted(space)
    strategy = make_strategy(name, {"population": 5} if name == "nsga2" else {}, space, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searched(strategy, merit, 14)
    assert capfd.readouterr() == ("", "")
