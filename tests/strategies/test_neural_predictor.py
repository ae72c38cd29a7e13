"""Neural Predictor, beside what every strategy must do (test_ask_tell_contract)."""

import itertools
import random

import numpy as np
import pytest

from squeezenas.core.trial import Trial
from squeezenas.predictors.predictor import make_predictor
from squeezenas.strategies.ask_tell import make_strategy
from tests.strategies.ask_tell import ConstrainedChain, ToyChain, half_of_a_table, planted, searched
from tests.strategies.toy import enumerated

SPACE = ToyChain(4, 4, 4, 3)
MERIT, _ = planted(SPACE)
MLP = {"predictor": "mlp", "settings": {"epochs": 20, "lr": 0.01}}
REDRAW = 10**9


def neural_predictor(space=SPACE, seed=3, **keys):
    return make_strategy("neural_predictor", MLP | keys, space, seed)


def best_by_hand(trials, space, seed, n):
    """All other architectures, in the order of a predictor that learned from the first n trials."""
    predictor = make_predictor("mlp", MLP["settings"], space, seed)
    first = [trial for trial in trials if trial.merit is not None][:n]
    predictor.fit([trial.architecture for trial in first], [trial.merit for trial in first])
    every = enumerated(space)
    order = np.argsort(-predictor.predict(every), kind="stable")
    return [every[place] for place in order]


def test_n_random_ones_and_then_the_best_predicted_in_order():
    trials = searched(neural_predictor(n=12), MERIT, 40)
    first = [trial.architecture for trial in trials[:12]]
    assert len(set(first)) == 12
    ranking = [a for a in best_by_hand(trials, SPACE, 3, 12) if a not in first]
    assert [trial.architecture for trial in trials[12:]] == ranking[:28]


def test_it_finds_a_planted_best_long_before_chance_does():
    best = max(map(MERIT, enumerated(SPACE)))
    found = [
        max(t.merit for t in searched(neural_predictor(n=25, seed=seed), MERIT, 40))
        for seed in range(4)
    ]
    assert found.count(best) >= 3  # 40 of 192 at random: one of five


def test_what_is_pending_or_failed_is_not_proposed():
    strategy = neural_predictor(n=10)
    trials = searched(strategy, MERIT, 10)
    ranking = [
        a
        for a in best_by_hand(trials, SPACE, 3, 10)
        if a not in {trial.architecture for trial in trials}
    ]
    assert strategy.ask(10).architecture == ranking[0]
    assert strategy.ask(11, ranking[:2]).architecture == ranking[2]
    strategy.tell(Trial(10, ranking[0], None))
    assert strategy.ask(12).architecture == ranking[1]
    assert strategy.ask(13).architecture == ranking[1]  # an earlier question changes nothing


def test_failed_trials_are_not_learned_from():
    strategy = neural_predictor(n=10)
    trials = []
    for number in range(13):
        architecture = strategy.ask(number).architecture
        trials.append(Trial(number, architecture, None if number < 3 else MERIT(architecture)))
        strategy.tell(trials[-1])
    known = {trial.architecture for trial in trials}
    wanted = next(a for a in best_by_hand(trials, SPACE, 3, 10) if a not in known)
    assert strategy.ask(13).architecture == wanted


def test_it_learns_again_when_it_is_to():
    strategy = neural_predictor(n=10, refit=5)
    trials = searched(strategy, MERIT, 19)
    for learned, number in ((10, 14), (15, 15), (15, 18)):
        known = {trial.architecture for trial in trials[:number]}
        ranking = best_by_hand(trials, SPACE, 3, learned)
        assert trials[number].architecture == next(a for a in ranking if a not in known)


def test_asked_again_it_goes_down_the_ranking_in_steps_that_double():
    strategy = neural_predictor(n=10)
    trials = searched(strategy, MERIT, 10)
    known = {trial.architecture for trial in trials}
    ranking = [a for a in best_by_hand(trials, SPACE, 3, 10) if a not in known]
    asked = [strategy.ask(10 + again * REDRAW).architecture for again in range(5)]
    assert asked == [ranking[place] for place in (0, 1, 3, 7, 15)]
    SPACE.architecture(strategy.ask(10 + 20 * REDRAW).architecture.picks)  # the ranking is at end


@pytest.mark.parametrize("space", [ConstrainedChain(), half_of_a_table()])
def test_a_small_space_is_predicted_as_a_whole(space):
    merit, _ = planted(space)
    trials = searched(neural_predictor(space, n=4), merit, space.size())
    assert len({trial.architecture for trial in trials}) == space.size()
    again = searched(neural_predictor(space, n=4), merit, space.size() + 3)
    assert len(again) == space.size() + 3  # nothing is left, and the search goes on


def test_of_a_large_space_random_candidates_are_predicted():
    space = ToyChain(*[4] * 12)
    merit, _ = planted(space)
    strategies = [neural_predictor(space, n=30, candidates=300, seed=seed) for seed in (1, 2)]
    first, second = (searched(strategy, merit, 60) for strategy in strategies)
    rng = random.Random(0)
    chance = np.mean([merit(space.sample(rng)) for _ in range(500)])
    for trials in (first, second):
        assert np.mean([trial.merit for trial in trials[30:]]) > chance + 0.5
    proposed = itertools.chain(first[30:], second[30:])
    assert len({trial.architecture for trial in proposed}) == 60


def test_mistakes():
    with pytest.raises(ValueError, match=r"unknown predictor 'gnc' \(did you mean 'gcn'\?\)"):
        neural_predictor(predictor="gnc")
    with pytest.raises(ValueError, match=r"predictor mlp: settings\.epoch: unknown key"):
        neural_predictor(settings={"epoch": 3})
    with pytest.raises(ValueError, match=r"strategy\.n: expected integer >= 2, got 1"):
        neural_predictor(n=1)
