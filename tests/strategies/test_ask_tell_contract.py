"""Every ask/tell strategy in small spaces: new files are tested the day they arrive."""

import json
import random

import pytest

from squeezenas.core.architecture import Architecture
from squeezenas.core.trial import Trial
from squeezenas.strategies.ask_tell import ask_tell_strategies, make_strategy
from tests.strategies.ask_tell import SPACES, planted

# Keys with which a few trials are enough to leave the random phase and to learn more than once.
QUICK = {
    "aging_evolution": {"population": 4, "sample": 2},
    "annealing": {"startup": 3},
    "bayesian": {"startup": 12},
    "cmaes": {"population": 4},
    "genetic": {"population": 4},
    "nao": {"initial": 6, "parents": 3, "children": 4, "epochs": 2},
    "neural_predictor": {"n": 6, "candidates": 50, "refit": 4, "settings": {"epochs": 3}},
    "nsga2": {"population": 4},
    "pnas": {"beam": 4, "members": 2, "epochs": 2},
    "ppo": {"batch": 3, "units": 8, "passes": 2},
    "reinforce": {"batch": 3, "units": 8},
    "tpe": {"startup": 4},
}
WORKERS, ROUNDS = 3, 5


def make(name, space, seed=7):
    return make_strategy(name, QUICK.get(name, {}), space, seed)


def parallel(strategy, merit, cost):
    """A history of several workers that finish in any order; numbers have gaps, some trials fail.

    One of them was repaired: another architecture than proposed, without notes.
    """
    order, history = random.Random(0), []
    for start in range(0, 4 * WORKERS * ROUNDS, 4 * WORKERS):
        running = []
        for number in range(start, start + 4 * WORKERS, 4):
            pending = [architecture for _, architecture, _ in running]
            proposal = strategy.ask(number, pending)
            notes = json.loads(json.dumps(proposal.notes))
            assert notes == proposal.notes, "notes are JSON values"
            running.append((number, proposal.architecture, notes))
        order.shuffle(running)
        for number, architecture, notes in running:
            failed = number % 16 == 12
            if number == 4 * WORKERS:
                architecture, notes = strategy.space.sample(order), {}
            value = None if failed else merit(architecture)
            trial = Trial(number, architecture, value, cost(architecture), notes)
            history.append(trial)
            strategy.tell(trial)
    return history


@pytest.mark.parametrize("space_name", SPACES)
@pytest.mark.parametrize("name", ask_tell_strategies.names())
def test_contract(name, space_name):
    space = SPACES[space_name]()
    merit, cost = planted(space)
    strategy = make(name, space)
    history = parallel(strategy, merit, cost)
    for trial in history:
        assert isinstance(trial.architecture, Architecture)
        assert space.architecture(trial.architecture.picks) == trial.architecture  # legal
        assert space.read(space.write(trial.architecture)) == trial.architecture

    # A process that hears the same history proposes the same, whatever it was asked before.
    resumed = make(name, space)
    pending = [trial.architecture for trial in history[:2]]
    for number in (1, 10**9 + 2):
        resumed.ask(number)
    for trial in history:
        resumed.tell(trial)
    proposal = resumed.ask(10**9 + 1000, pending)
    assert proposal == strategy.ask(10**9 + 1000, pending)


@pytest.mark.parametrize("name", ask_tell_strategies.names())
def test_the_middle_of_a_history_replays(name):
    space = SPACES["independent"]()
    merit, cost = planted(space)
    strategy, twin, trials = make(name, space), make(name, space), []
    for number in range(14):
        proposal = strategy.ask(number)
        if number in (5, 9, 13):  # the twin is only asked now and then
            assert proposal == twin.ask(number)
        architecture = proposal.architecture
        trial = Trial(number, architecture, merit(architecture), cost(architecture), proposal.notes)
        trials.append(trial)
        strategy.tell(trial)
        twin.tell(trial)


@pytest.mark.parametrize("name", ask_tell_strategies.names())
def test_seeds_and_numbers_matter(name):
    space = SPACES["darts_cell"]()
    first = [make(name, space, seed).ask(number) for seed in (1, 2) for number in (0, 1)]
    assert len({proposal.architecture for proposal in first}) > 1


@pytest.mark.parametrize("value", [None, 0.5])
@pytest.mark.parametrize("name", ask_tell_strategies.names())
def test_when_everything_fails_or_is_alike(name, value):
    space = SPACES["constrained"]()
    strategy = make(name, space)
    for number in range(12):
        proposal = strategy.ask(number)
        assert space.architecture(proposal.architecture.picks) == proposal.architecture
        strategy.tell(Trial(number, proposal.architecture, value, None, proposal.notes))


@pytest.mark.parametrize("name", ask_tell_strategies.names())
def test_an_unknown_key_is_refused(name):
    with pytest.raises(ValueError, match=f"strategy {name}: strategy.popsize: unknown key"):
        make_strategy(name, {"popsize": 3}, SPACES["independent"](), 0)
