import random
import statistics

import cmaes
import pytest

from squeezenas.core.trial import Trial
from squeezenas.strategies.ask_tell import make_strategy
from tests.strategies.ask_tell import SPACES, ToyChain, planted, searched


@pytest.fixture
def learned(monkeypatch):
    """All pairs of vector and loss that any optimiser is taught, and the steps they make."""
    steps, tell = [], cmaes.CMA.tell

    def spy(optimiser, solutions):
        steps.append([(vector.tolist(), loss) for vector, loss in solutions])
        tell(optimiser, solutions)

    monkeypatch.setattr(cmaes.CMA, "tell", spy)
    return steps


def derived(space, vector):
    rest = iter(vector)
    return space.derive({c.key: [next(rest) for _ in c.options] for c in space.choices})


@pytest.mark.parametrize("space_name", SPACES)
def test_workers_that_hear_in_their_own_orders_learn_what_was_evaluated(space_name, learned):
    space = SPACES[space_name]()
    merit, _ = planted(space)
    workers = [make_strategy("cmaes", {"population": 4}, space, 0) for _ in range(2)]
    order, number = random.Random(0), 0
    for _ in range(12):
        trials = []
        for worker in workers:
            for _ in range(3):
                proposal = worker.ask(number)
                found = merit(proposal.architecture)
                trials.append(Trial(number, proposal.architecture, found, None, proposal.notes))
                number += 1
        for worker in workers:
            for trial in order.sample(trials, len(trials)):
                worker.tell(trial)
    ends = [worker.ask(number).notes for worker in workers]
    assert ends[0] != ends[1]  # they do differ
    assert len(learned) > 10
    for vector, loss in (pair for step in learned for pair in step):
        assert -loss == merit(derived(space, vector))


def test_one_worker_replays_bit_for_bit(learned):
    space = ToyChain(3, 4, 5)
    merit, _ = planted(space)
    first = make_strategy("cmaes", {}, space, 3)
    history = searched(first, merit, 60)
    steps, learned[:] = list(learned), []
    again = make_strategy("cmaes", {}, space, 3)
    for trial in history:
        assert again.ask(trial.number).notes == trial.notes
        again.tell(trial)
    assert learned == steps
    assert again.ask(60) == first.ask(60)


def test_it_climbs():
    space = ToyChain(*[4] * 10)
    merit, _ = planted(space)
    found = [t.merit for t in searched(make_strategy("cmaes", {}, space, 0), merit, 90)]
    drawn = [t.merit for t in searched(make_strategy("random", {}, space, 0), merit, 90)]
    assert max(found) > max(drawn)
    assert statistics.fmean(found[-15:]) > statistics.fmean(drawn) + statistics.stdev(drawn)


def test_it_looks_at_the_first_of_a_step_alone():
    space = ToyChain(3, 3)
    ours, late = (make_strategy("cmaes", {"population": 4}, space, 0) for _ in range(2))
    asked = [(number, ours.ask(number)) for number in range(6)]
    trials = [Trial(n, p.architecture, merit=float(n), notes=p.notes) for n, p in asked]
    for trial in trials[:4]:
        ours.tell(trial)
    after = ours.ask(7)
    assert after.notes["step"] == 1
    ours.tell(trials[4])
    assert ours.ask(7) == after
    for trial in [*trials[:2], Trial(9, trials[0].architecture, None), *trials[2:]]:
        late.tell(trial)
    assert late.ask(7) == after


def test_what_was_not_drawn_teaches_nothing(learned):
    space = ToyChain(3, 3)
    strategy = make_strategy("cmaes", {"population": 4}, space, 0)
    for number in range(8):
        proposal = strategy.ask(number)
        picks = tuple((pick + 1) % 3 for pick in proposal.architecture.picks)
        other = space.architecture(picks)
        strategy.tell(Trial(number, other, 1.0, None, proposal.notes))
        strategy.tell(Trial(number, proposal.architecture, 1.0))
    assert not learned


def test_it_begins_anew_when_it_has_converged():
    space = ToyChain(2, 2)
    merit, _ = planted(space)
    history = searched(make_strategy("cmaes", {}, space, 0), merit, 3000)
    best = max(history, key=lambda trial: trial.merit).architecture
    hits = [trial.architecture == best for trial in history]
    # Converged, it proposes the same for ever; begun anew, one in four.
    misses = [number for number, hit in enumerate(hits) if not hit]
    assert misses[-1] > 1000
    assert sum(hits) > 1500
