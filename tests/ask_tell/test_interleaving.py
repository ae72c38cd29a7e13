"""Wherever another worker comes between two steps of one, the budget is met exactly."""

import itertools
from functools import partial

import pytest
from optuna.storages import BaseStorage

from squeezenas.ask_tell import study
from squeezenas.ask_tell.storage import open_storage
from tests.ask_tell.toy import evaluate, numbered, run, trials

BUDGET, CLAIMS = 6, 3
METHODS = [name for name in dir(BaseStorage) if not name.startswith("_")]


class Interruption:
    """Calls `other` once, before the call number `moment` of the storage."""

    def __init__(self, storage, moment, other):
        self.calls = 0
        self._moment, self._other = moment, other
        for name in METHODS:
            setattr(storage, name, self._interrupted(getattr(storage, name)))

    def _interrupted(self, method):
        def call(*arguments, **keys):
            self.calls += 1
            if self.calls == self._moment:
                self._other()
            return method(*arguments, **keys)

        return call


class MustWaitError(Exception):
    """Nothing is free, and the one that was interrupted can finish nothing meanwhile."""


def other_worker(storage, end):
    """Joins, and begins a few trials, until it would have to wait."""

    def wait():
        raise MustWaitError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "stop_if_asked", wait)
        worker = trials(storage, budget=BUDGET, retries=CLAIMS)
        try:
            for _ in range(CLAIMS):
                if (claim := worker.claim(numbered)) is not None:
                    end(worker, claim)
        except MustWaitError:
            pass
        worker.close()


def die(worker, claim):
    worker.close()


def fail(worker, claim):
    worker.fail(claim, "of this try")


def give_back(worker, claim):
    worker.give_back(claim)


@pytest.mark.parametrize("end", [evaluate, fail, give_back, die])
@pytest.mark.parametrize("kind", ["memory", "journal"])
def test_another_worker_at_every_moment(kind, end, tmp_path):
    for moment in itertools.count(1):
        name = "memory" if kind == "memory" else f"journal:{tmp_path}/{moment}"
        storage = open_storage(name, tmp_path)
        shared = storage if kind == "memory" else open_storage(name, tmp_path)
        interruption = Interruption(storage, moment, partial(other_worker, shared, end))
        mine = trials(storage, budget=BUDGET, retries=CLAIMS)
        run(mine)
        records = mine.records()
        mine.close()
        assert len(records) == BUDGET, moment
        assert {record.notes["asked"] for record in records} == set(range(BUDGET)), moment
        assert {record.state for record in records} == {"complete"}, moment
        if interruption.calls < moment:
            break
    assert moment > 40
