"""One process's view of the trials: the budget, tries, deaths, and what the study is of."""

import signal
import time

import optuna
import pytest

from squeezenas.ask_tell import liveness, study
from squeezenas.ask_tell.storage import open_storage
from squeezenas.ask_tell.study import DEATHS
from squeezenas.core.stopped import Stopped
from squeezenas.core.trial import Proposal
from squeezenas.engine.preemption import deferring, listening
from tests.ask_tell.toy import IDENTITY, SPACE, evaluate, numbered, run, trials, value


@pytest.fixture(params=["memory", "journal", "sqlite"])
def storage(request, tmp_path):
    name = f"sqlite:///{tmp_path}/trials.db" if request.param == "sqlite" else request.param
    return open_storage(name, tmp_path)


@pytest.fixture
def elsewhere(monkeypatch):
    """Workers that begin are workers of another machine, until it is undone."""

    def begin():
        return liveness.begin_worker().replace(liveness.machine(), "0" * 12)

    monkeypatch.setattr("squeezenas.ask_tell.study.begin_worker", begin)
    return monkeypatch


def test_each_number_once_in_the_order_of_finishing(storage):
    mine = trials(storage)
    run(mine)
    records = mine.records()
    assert [record.number for record in records] == list(range(10))
    assert [record.architecture for record in records] == [
        numbered(number).architecture for number in range(10)
    ]
    for record in records:
        assert record.state == "complete"
        assert record.values == (value(record.architecture),)
        assert record.figures == {"cost": record.cost}
        assert (record.seconds, record.notes, record.error) == (2.0, {"asked": record.number}, "")
        assert record.started <= record.finished
    assert mine.news() == records
    assert mine.news() == []


def test_optuna_reads_the_study(storage):
    run(trials(storage, directions=["maximize"]))
    study = optuna.load_study(study_name="toy", storage=storage)
    best = max((numbered(number).architecture for number in range(10)), key=value)
    options = SPACE.write(best)
    assert study.best_params == {f"edge{i}": option for i, option in enumerate(options)}
    assert study.best_value == value(best)
    assert [trial.number for trial in study.get_trials()] == list(range(10))


@pytest.mark.parametrize("kind", ["memory", "journal"])
def test_trials_share_what_is_the_same_in_all(kind, tmp_path):
    """Optuna keeps a copy of the space's options with every trial, most of what a trial takes."""
    storage = open_storage(kind, tmp_path)
    run(trials(storage))
    kept = storage.get_all_trials(storage.get_study_id_from_name("toy"), deepcopy=False)
    assert len(kept) == 10
    assert len({id(trial.distributions) for trial in kept}) == 1


def test_two_directions(storage):
    mine = trials(storage, directions=["maximize", "minimize"], budget=2)
    while claim := mine.claim(numbered):
        mine.finish(claim, [0.5, 3.0], {}, 1.0)
    assert [record.values for record in mine.records()] == [(0.5, 3.0)] * 2
    study = optuna.load_study(study_name="toy", storage=storage)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]


def test_resuming_hears_the_same_in_the_same_order(storage):
    mine = trials(storage)
    for _ in range(4):
        evaluate(mine, mine.claim(numbered))
    first, second = mine.claim(numbered), mine.claim(numbered)
    evaluate(mine, second)
    evaluate(mine, first)
    heard = mine.news()
    assert [record.number for record in heard] == [0, 1, 2, 3, 5, 4]
    mine.claim(numbered)  # is lost with its worker
    mine.close()
    again = trials(storage)
    assert again.news() == heard
    run(again)
    assert len(again.records()) == 10


def test_a_larger_budget_goes_on_and_a_smaller_one_is_met(storage):
    run(trials(storage, budget=3))
    run(trials(storage, budget=5))
    mine = trials(storage, budget=4)
    assert mine.claim(numbered) is None
    assert len(mine.records()) == 5


def test_proposals_hear_what_is_being_evaluated(storage):
    mine, asked = trials(storage), []

    def propose(number, pending):
        asked.append((number, list(pending)))
        return numbered(number)

    claims = [mine.claim(propose) for _ in range(3)]
    assert asked == [(n, [claim.architecture for claim in claims[:n]]) for n in range(3)]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_failure_is_tried_again_and_then_is_one(storage, retries):
    mine, tries = trials(storage, budget=4, retries=retries), []
    while claim := mine.claim(numbered):
        if claim.notes["asked"] == 1:
            tries.append(claim.architecture)
            assert mine.fail(claim, "too large")
        else:
            evaluate(mine, claim)
    assert tries == [numbered(1).architecture] * (retries + 1)
    records = mine.records()
    assert len(records) == 4
    (failed,) = [record for record in records if record.state == "failed"]
    assert (failed.values, failed.value, failed.error) == (None, None, "too large")
    assert failed.architecture == numbered(1).architecture


def test_what_is_not_a_number_is_a_failure(storage):
    mine = trials(storage, budget=1, retries=0)
    mine.finish(mine.claim(numbered), [float("nan")], {}, 1.0)
    assert mine.claim(numbered) is None
    assert [record.state for record in mine.news()] == ["failed"]


def test_a_late_result_is_discarded(storage):
    late, other = trials(storage, budget=2), trials(storage, budget=2)
    claim = late.claim(numbered)
    late.close()
    run(other)
    assert not late.finish(claim, [9.0], {}, 1.0)
    assert not late.fail(claim, "late")
    records = other.records()
    assert [record.architecture for record in records] == [
        claim.architecture, numbered(1).architecture,
    ]  # fmt: skip
    assert all(record.value < 9 for record in records)
    assert late.records() == records


def test_two_workers_that_take_over_do_so_once(storage):
    dead = trials(storage, budget=1)
    lost = dead.claim(numbered)
    dead.close()
    first, second = trials(storage, budget=1), trials(storage, budget=1)
    second.records()
    claim = first.claim(numbered)
    assert claim.architecture == lost.architecture
    evaluate(first, claim)
    assert second.claim(numbered) is None
    assert len(second.records()) == 1


def test_what_kills_its_workers_fails_in_the_end(storage):
    for _ in range(DEATHS):
        mine = trials(storage, budget=2)
        assert mine.claim(lambda number, pending: numbered(7)).architecture.picks == (2, 1, 0, 0, 0)
        mine.close()
    mine = trials(storage, budget=2)
    run(mine)
    assert [record.state for record in mine.records()] == ["failed", "complete"]
    assert "workers died" in mine.records()[0].error


def test_the_same_draw_of_two_workers_counts_once(storage):
    slow, quick = trials(storage, budget=3), trials(storage, budget=3)
    asked = []

    def overtaken(number, pending):
        asked.append(number)
        if len(asked) == 1:
            assert quick.claim(numbered).number == 0
        return numbered(number)

    claim = slow.claim(overtaken)
    assert claim.architecture == numbered(1).architecture
    assert (claim.number, claim.asked) == (2, 1)
    assert asked == [0, 1]
    study = optuna.load_study(study_name="toy", storage=storage)
    states = [trial.state.name for trial in study.trials]
    assert states == ["RUNNING", "PRUNED", "RUNNING"]


def test_one_trial_too_many_is_withdrawn(storage):
    slow, quick = trials(storage, budget=1), trials(storage, budget=1)

    def overtaken(number, pending):
        run(quick)
        return Proposal(SPACE.architecture([4] * 5))

    assert slow.claim(overtaken) is None
    assert len(slow.records()) == 1


def test_a_silent_worker_of_another_machine_is_dead_after_its_lease(tmp_path, elsewhere):
    far = trials(open_storage("journal", tmp_path), budget=1, lease=0.3)
    lost = far.claim(numbered)
    elsewhere.undo()
    near = trials(open_storage("journal", tmp_path), budget=1, lease=0.3)
    began, pause = time.monotonic(), time.sleep

    def sleep(seconds):
        if time.monotonic() - began > 0.7:  # until then its heartbeat keeps it alive
            far.close()
        pause(seconds)

    elsewhere.setattr("squeezenas.ask_tell.study.time.sleep", sleep)
    claim = near.claim(numbered)
    assert claim.architecture == lost.architecture
    assert time.monotonic() - began > 0.7 + 0.3 - 0.1  # its last beat was 0.1 s before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"identity": {**IDENTITY, "space": "other"}}, r"study 'toy': it was made with space=toy"),
        (
            {"identity": {**IDENTITY, "strategy": {"name": "random", "seed": 1}}},
            r"strategy\.seed=0, this search has strategy\.seed=1; .* give another study=",
        ),
        ({"identity": {**IDENTITY, "more": 1}}, r"more=None, this search has more=1"),
        ({"directions": ["minimize"]}, r"directions=\['maximize'\]"),
        ({"directions": ["maximize", "minimize"]}, r"directions=\['maximize'\]"),
    ],
)
def test_a_study_of_something_else(storage, changes, words):
    trials(storage)
    with pytest.raises(ValueError, match=words):
        trials(storage, **changes)
    trials(storage, name="another", **changes)


def test_a_study_of_another_program(storage):
    optuna.create_study(study_name="toy", storage=storage, direction="maximize").ask()
    with pytest.raises(ValueError, match="not made by this program; give another study="):
        trials(storage)


def test_a_worker_that_waits_for_others_can_be_stopped(storage, monkeypatch):
    first, second = trials(storage, budget=1), trials(storage, budget=1)
    claim = first.claim(numbered)
    monkeypatch.setattr(study.time, "sleep", lambda seconds: signal.raise_signal(signal.SIGTERM))
    with listening(), deferring(), pytest.raises(Stopped, match="SIGTERM"):
        second.claim(numbered)
    assert evaluate(first, claim)


def test_a_trial_that_was_given_back_is_no_death(storage):
    for _ in range(DEATHS + 1):
        mine = trials(storage, budget=1)
        mine.give_back(mine.claim(numbered))
    run(mine)
    (record,) = mine.records()
    assert (record.state, record.asked, record.number) == ("complete", 0, DEATHS + 1)
