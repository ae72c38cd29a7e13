"""The trials of a search in an Optuna study, which any number of processes share.

Each process claims a trial, evaluates it and writes what came out; a trial whose process died is
tried again by another. Nothing that is done for a trial takes longer the more trials there are.
"""

from __future__ import annotations

import math
import random
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from squeezenas.ask_tell import record
from squeezenas.ask_tell.heartbeat import BEAT, Heartbeat
from squeezenas.ask_tell.history import History
from squeezenas.ask_tell.identity import open_study
from squeezenas.ask_tell.liveness import Watch, begin_worker, end_worker
from squeezenas.ask_tell.record import Claim, Proposed, Record, Tries
from squeezenas.ask_tell.storage import storage_faults
from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal
from squeezenas.engine.preemption import stop_if_asked

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

Propose = Callable[[int, Sequence[Architecture]], Proposal]
DEATHS = 5
"""After so many workers died with it, an architecture counts as failed: it may be what kills."""
PAUSES = (0.01, 1.0)
"""Seconds between two looks at the trials of others, at first and at last."""


class Trials:
    """One worker's view of the trials of a study, and its hand in them.

    Args:
        storage: where they are kept.
        name: of the study.
        identity: what the study is of, in JSON values.
        space: of the architectures.
        directions: `maximize` or `minimize`, one an objective.
        budget: how many trials are to finish in all.
        retries: how often an evaluation that failed is tried again.
        lease: seconds of silence after which a worker on another machine counts as dead.

    Raises:
        ValueError: the study is of something else.
        OSError: the storage cannot be used.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        identity: Mapping[str, Any],
        space: SearchSpace,
        directions: Sequence[str],
        budget: int,
        retries: int = 1,
        lease: float = 120.0,
    ) -> None:
        from optuna.storages import InMemoryStorage

        self._storage, self._name, self._space, self._retries = storage, name, space, retries
        self._in_memory = isinstance(storage, InMemoryStorage)
        with self._faults():
            self._study = open_study(storage, name, identity, directions)
        self._parameters = record.distributions(space.choices)
        self._history = History(storage, self._study, space, budget, self._parameters)
        self._told = 0
        self._last_order = -1
        self._watch = Watch(lease)
        self._heartbeat = Heartbeat(storage, lease / 3)
        self.worker = begin_worker()
        self._leave = weakref.finalize(self, _leave, self._heartbeat, self.worker)

    def close(self) -> None:
        """Ends the worker; what it has claimed and not finished goes to another."""
        self._leave()

    def records(self) -> list[Record]:
        """All trials that finished, complete or failed for good, in the order of finishing."""
        with self._faults():
            self._history.look()
        return list(self._history.finished)

    def news(self) -> list[Record]:
        """The trials that finished since the last call, in the order of finishing."""
        with self._faults():
            self._history.look()
        news = self._history.finished[self._told :]
        self._told += len(news)
        return news

    def claim(self, propose: Propose) -> Claim | None:
        """The next trial to evaluate; None when as many as the budget allows have finished.

        Waits while other workers evaluate the last ones, and takes over from those that die.

        Args:
            propose: from how many there were before, and the architectures being evaluated,
                to a proposal.

        Raises:
            OSError: the storage cannot be used.
            Stopped: a signal or the end of the time asked for it while this one waited.
        """
        history, pause = self._history, PAUSES[0]
        with self._faults():
            while True:
                history.look()
                if self._bury():
                    history.look()
                if (failed := history.slots.to_try_again()) is not None:
                    claim = self._try_again(failed)
                elif history.slots.free:
                    claim = self._new(propose)
                elif history.slots.done:
                    return None
                else:
                    stop_if_asked()
                    time.sleep(pause)
                    pause = min(2 * pause, PAUSES[1])
                    continue
                if claim is not None:
                    if not self._in_memory:
                        self._heartbeat.hold(claim.trial_id)
                    return claim

    def finish(
        self, claim: Claim, values: Sequence[float], figures: Mapping[str, float], seconds: float
    ) -> bool:
        """Writes the result of a claimed trial; one that is not a number is a failure.

        Args:
            claim: the trial.
            values: one an objective.
            figures: whatever else was measured.
            seconds: what the evaluation took.

        Returns:
            Whether it counts; not if the trial was taken over because its worker was thought dead.

        Raises:
            OSError: the storage cannot be used.
        """
        if any(math.isnan(value) for value in values):
            return self.fail(claim, "its value is not a number")
        result = {
            "order": self._order(),
            "seconds": float(seconds),
            "figures": {key: float(figure) for key, figure in figures.items()},
        }
        floats = [float(value) for value in values]
        return self._end(claim.trial_id, "COMPLETE", {"result": result}, floats)

    def fail(self, claim: Claim, reason: str, seconds: float = 0.0) -> bool:
        """Writes that an evaluation failed; it is tried again, or failed for good.

        Args:
            claim: the trial.
            reason: what went wrong.
            seconds: how long it took until then.

        Returns:
            Whether it counts, as of `finish`.

        Raises:
            OSError: the storage cannot be used.
        """
        return self._end(
            claim.trial_id,
            "FAIL",
            self._failure(reason, claim.failures >= self._retries, seconds),
        )

    def give_back(self, claim: Claim) -> None:
        """Leaves a claimed trial to whoever comes next, as if this worker had never had it.

        Raises:
            OSError: the storage cannot be used.
        """
        self._end(claim.trial_id, "FAIL", {"given_back": True})

    def _failure(self, reason: str, final: bool, seconds: float = 0.0) -> dict[str, Any]:
        failure = {"order": self._order(), "reason": reason, "final": final, "seconds": seconds}
        return {"failure": failure}

    def _order(self) -> int:
        """Of what this worker finishes now: after all that it knows of, and all its own."""
        self._last_order = max(self._last_order + 1, len(self._history.finished))
        return self._last_order

    def _end(
        self,
        trial_id: int,
        state: str,
        attributes: Mapping[str, Any],
        values: Sequence[float] | None = None,
    ) -> bool:
        """Ends a trial; False where another process was first."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        self._heartbeat.release(trial_id)
        with self._faults():
            try:
                for key, value in attributes.items():
                    self._storage.set_trial_user_attr(trial_id, key, value)
                return self._storage.set_trial_state_values(trial_id, TrialState[state], values)
            except UpdateFinishedTrialError:
                return False

    def _new(self, propose: Propose) -> Claim | None:
        """A new trial, unless others were quicker and it is one too many, or one of theirs."""
        asked = self._history.slots.opened
        pending = [self._architecture(trial) for trial in self._history.running.values()]
        proposal = propose(asked, pending)
        proposed: Proposed = {
            "asked": asked,
            "picks": list(proposal.architecture.picks),
            "notes": dict(proposal.notes),
        }
        return self._create(proposed, {"again": None, "failures": 0, "deaths": 0})

    def _try_again(self, number: int) -> Claim | None:
        """Another trial of what failed, unless another worker was quicker."""
        known = self._history.open[number].user_attrs
        before, lived = known["tries"], "failure" in known
        died = not lived and "given_back" not in known
        tries: Tries = {
            "again": number,
            "failures": before["failures"] + lived,
            "deaths": before["deaths"] + died,
        }
        return self._create(known["proposal"], tries)

    def _create(self, proposed: Proposed, tries: Tries) -> Claim | None:
        """A trial of this worker, or None after it was withdrawn because it does not count."""
        history = self._history
        template = record.running_trial(self._space, self._parameters, proposed, self.worker, tries)
        trial_id = self._storage.create_new_trial(self._study, template)
        trial = next(trial for trial in history.look() if trial._trial_id == trial_id)
        if history.slots.counts(trial.number):
            architecture = self._architecture(trial)
            asked, notes = proposed["asked"], proposed["notes"]
            return Claim(trial.number, asked, architecture, notes, trial_id, tries["failures"])
        self._end(trial_id, "PRUNED", {})
        # Workers that got in each other's way shall not do so again in step.
        time.sleep(random.SystemRandom().uniform(0, PAUSES[0]))
        return None

    def _architecture(self, trial: FrozenTrial) -> Architecture:
        return record.architecture(self._space, trial)

    def _bury(self) -> bool:
        """Ends the trials of dead workers; whether there were any."""
        buried = False
        for number, trial in list(self._history.running.items()):
            known = trial.user_attrs
            if not self._watch.dead(number, known["worker"], known.get(BEAT, 0)):
                continue
            if not self._history.slots.counts(number):
                if self._history.slots.done:  # until then it may count yet
                    self._end(trial._trial_id, "PRUNED", {})
                continue
            last = known["tries"]["deaths"] + 1 >= DEATHS
            reason = f"{DEATHS} workers died while they evaluated it"
            self._end(trial._trial_id, "FAIL", self._failure(reason, True) if last else {})
            buried = True
        return buried

    def _faults(self) -> AbstractContextManager[None]:
        return storage_faults(f"study {self._name!r}")


def _leave(heartbeat: Heartbeat, worker: str) -> None:
    heartbeat.close()
    end_worker(worker)
