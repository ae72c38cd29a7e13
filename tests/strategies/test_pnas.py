import itertools
import random

import numpy as np
import pytest

from squeezenas.core.space import make_space
from squeezenas.core.trial import Trial
from squeezenas.strategies import pnas
from squeezenas.strategies.ask_tell import make_strategy
from squeezenas.strategies.pnas import block_sizes, completed
from tests.strategies.ask_tell import ConstrainedChain, ToyChain, planted, searched

QUICK = {"members": 1, "epochs": 1}


@pytest.fixture
def oracle(monkeypatch):
    """A predictor that knows; it counts how often one is fitted."""
    fits = []

    class Oracle:
        def __init__(self, space):
            self.space, (self.merit, _) = space, planted(space)

        def fit(self, architectures, values):
            fits.append(len(values))

        def predict(self, architectures):
            whole = (completed(self.space, one.picks) for one in architectures)
            return np.array([self.merit(self.space.architecture(picks)) for picks in whole])

    monkeypatch.setattr(pnas, "make_predictor", lambda name, keys, space, seed: Oracle(space))
    return fits


def test_the_first_level_is_every_cell_of_one_block():
    """136 of 256 (arXiv:1712.00559, section 3.1); the next trial has two blocks."""
    space = make_space("pnas_cell", {"blocks": 3})
    strategy = make_strategy("pnas", {**QUICK, "expansions": 300}, space, 0)
    told = searched(strategy, lambda architecture: random.Random(str(architecture)).random(), 140)
    lengths = [space.length(trial.architecture.picks) for trial in told]
    assert lengths == [1] * 136 + [2] * 4
    assert len({space.canonical(trial.architecture) for trial in told}) == 140


@pytest.mark.parametrize(("beam", "initial"), [(256, 136), (10, 10)])
def test_it_begins_with_its_first_level(beam, initial):
    space = make_space("pnas_cell", {"blocks": 3})
    strategy = make_strategy("pnas", {**QUICK, "beam": beam}, space, 0)
    assert strategy.initial == initial
    told = searched(strategy, lambda architecture: 1.0, initial)
    assert {trial.notes["level"] for trial in told} == {1}
    assert strategy.ask(initial).notes["level"] == 2
    assert strategy.initial == initial


def test_an_ensemble_that_no_predictor_has():
    with pytest.raises(ValueError, match="members: expected integer >= 1, <= 100, got 101"):
        make_strategy("pnas", {"members": 101}, make_space("pnas_cell", {"blocks": 2}), 0)


def test_neighbouring_seeds_share_no_predictor(monkeypatch):
    space, seeds = ToyChain(3, 4, 3, 5, 2), []
    merit, _ = planted(space)
    make = pnas.make_predictor

    def spy(name, keys, space, seed):
        seeds.append(seed)
        return make(name, keys, space, seed)

    monkeypatch.setattr(pnas, "make_predictor", spy)
    for seed in range(3):
        searched(make_strategy("pnas", {**QUICK, "beam": 6}, space, seed), merit, 30)
    assert len(set(seeds)) == len(seeds) > 6


def test_levels_are_those_of_a_plain_beam_search(oracle):
    """Algorithm 1, with a predictor that is right: expand, take the K best, and so on."""
    space, beam = ToyChain(3, 4, 3, 5, 2), 6
    merit, _ = planted(space)
    strategy = make_strategy("pnas", {**QUICK, "beam": beam}, space, 0)
    told = searched(strategy, merit, 60)
    by_level = {}
    for trial in told:
        by_level.setdefault(trial.notes["level"], set()).add(trial.architecture.picks)
    rest = completed(space, ())
    seen, stems = set(), [()]
    for level, choice in enumerate(space.choices, 1):
        forms = [(*stem, option) for stem in stems for option in range(len(choice.options))]
        new = {form: (*form, *rest[level:]) for form in forms}
        new = {form: picks for form, picks in new.items() if picks not in seen}
        ranked = sorted(new, key=lambda form: -merit(space.architecture(new[form])))
        stems = ranked[:beam]
        assert by_level[level] == {new[stem] for stem in stems}
        seen |= by_level[level]
    best = max(
        itertools.product(*(range(len(c.options)) for c in space.choices)),
        key=lambda p: merit(space.architecture(p)),
    )
    assert max(told, key=lambda trial: trial.merit).architecture.picks == best


def test_a_resumed_search_fits_one_predictor(oracle):
    space = ToyChain(3, 4, 3, 5, 2)
    merit, _ = planted(space)
    first = make_strategy("pnas", {**QUICK, "beam": 6}, space, 0)
    told = searched(first, merit, 40)
    fits = len(oracle)
    assert fits > 3
    resumed = make_strategy("pnas", {**QUICK, "beam": 6}, space, 0)
    for trial in told:
        resumed.tell(trial)
    assert len(oracle) == fits
    assert resumed.ask(40) == first.ask(40)
    assert oracle[fits:] in ([], [oracle[-1]])


def test_a_level_ends_when_k_of_it_are_told_whoever_evaluated_them(oracle):
    space = ToyChain(4, 4, 4)
    merit, _ = planted(space)
    strategy = make_strategy("pnas", {**QUICK, "beam": 2}, space, 0)
    running = []
    for number in range(4):  # two more than the level needs
        proposal = strategy.ask(number, [p.architecture for p in running])
        assert proposal.notes["level"] == 1
        running.append(proposal)
    for number, proposal in reversed(list(enumerate(running))):
        architecture = proposal.architecture
        strategy.tell(Trial(number, architecture, merit(architecture), None, proposal.notes))
        if number == 2:
            after = strategy.ask(9, [p.architecture for p in running])
    assert after.notes["level"] == 2
    assert strategy.ask(9) == after
    stems = {running[3].architecture.picks[0], running[2].architecture.picks[0]}
    assert after.architecture.picks[0] in stems


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("pnas_cell", [4] * 5),
        ("nasnet_cell", [4] * 10),
        ("nasbench201", [1, 2, 3]),
        ("squeezenas_small", [1] * 20),
        ("darts_cell", [2, 3, 4, 5] * 2),
    ],
)
def test_blocks_of_any_space(name, sizes):
    assert block_sizes(make_space(name)) == sizes


def test_what_is_not_grown_is_plain():
    bench = make_space("nasbench201")
    assert bench.choices[0].options[completed(bench, (3,))[1]] == "skip_connect"
    cells = make_space("pnas_cell")
    assert cells.length(completed(cells, (0, 1, 2, 3))) == 1
    two_of_four = ConstrainedChain()
    assert two_of_four.architecture(completed(two_of_four, (1,))).picks.count(0) == 2


@pytest.mark.parametrize("predictor", ["mlp", "rnn"])
def test_more_expansions_than_are_ranked_are_drawn(predictor):
    space = make_space("nasnet_cell")
    keys = {**QUICK, "expansions": 50, "beam": 5, "predictor": predictor}
    strategy = make_strategy("pnas", keys, space, 0)
    told = searched(strategy, lambda architecture: float(sum(architecture.picks)), 12)
    assert len({trial.architecture for trial in told}) == 12
    assert [trial.notes["level"] for trial in told] == [1] * 5 + [2] * 5 + [3] * 2
    for trial in told:
        assert not any(trial.architecture.picks[trial.notes["grown"] :][:2])


def test_a_level_that_fails_is_left_behind():
    space = ToyChain(3, 3, 3)
    strategy = make_strategy("pnas", {**QUICK, "beam": 3}, space, 0)
    told = searched(strategy, lambda architecture: None, 12)
    assert told[-1].notes["level"] > 3


def test_when_all_is_known_it_goes_on():
    space = ToyChain(2, 2)
    strategy = make_strategy("pnas", QUICK, space, 0)
    told = searched(strategy, lambda architecture: float(sum(architecture.picks)), 8)
    assert len({trial.architecture for trial in told}) == 4


def test_asked_again_it_goes_down_the_ranking(oracle):
    space = ToyChain(20)
    strategy = make_strategy("pnas", {**QUICK, "beam": 3}, space, 0)
    again = [strategy.ask(redraw * 10**9).architecture for redraw in range(5)]
    assert len(set(again)) == 5


def test_it_learns_what_options_are_worth():
    """Additive merits: far less than the best of as many random architectures is lacking."""
    space = ToyChain(5, 5, 5, 5, 5, 5)
    merit, _ = planted(space)
    every = itertools.product(range(5), repeat=6)
    top = max(merit(space.architecture(picks)) for picks in every)
    keys = {"beam": 15, "members": 2, "epochs": 30}

    def lacking(name, keys, seed):
        told = searched(make_strategy(name, keys, space, seed), merit, 110)
        return top - max(trial.merit for trial in told)

    found = np.mean([lacking("pnas", keys, seed) for seed in range(3)])
    drawn = np.mean([lacking("random", {}, seed) for seed in range(100)])
    assert found < 0.3 * drawn
