"""What a study holds, read bit by bit: only trials that are new or were running are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squeezenas.ask_tell import record
from squeezenas.ask_tell.record import Record
from squeezenas.ask_tell.slots import Slots
from squeezenas.ask_tell.storage import foreign_faults
from squeezenas.core.space import SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


class History:
    """The trials of a study, as of the last look.

    Args:
        storage: where they are kept.
        study: the storage's number of the study.
        space: of the architectures.
        budget: how many trials are to finish.
        parameters: the `distributions` of the space's choices.

    Attributes:
        running: trials that are being evaluated, by number.
        open: failed ones that are to be tried again, by number.
        finished: what finished, in the order of finishing.
        next: the number that a new trial would have.
        slots: which trials count.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study: int,
        space: SearchSpace,
        budget: int,
        parameters: dict[str, CategoricalDistribution],
    ) -> None:
        from optuna.storages import InMemoryStorage, JournalStorage

        self._storage, self._study, self._space = storage, study, space
        self._parameters: dict[str, BaseDistribution] = dict(parameters)
        # A database answers one question about all trials sooner than one about each.
        self._at_once = not isinstance(storage, InMemoryStorage | JournalStorage)
        self.running: dict[int, FrozenTrial] = {}
        self.open: dict[int, FrozenTrial] = {}
        self.finished: list[Record] = []
        self.next = 0
        self.slots = Slots(budget)

    def look(self) -> list[FrozenTrial]:
        """Reads on; gives the trials that are new.

        Raises:
            ValueError: there are others than this program writes.
        """
        with foreign_faults("the trials of this study"):
            return self._look()

    def _look(self) -> list[FrozenTrial]:
        changed, new = self._changed()
        self.next += len(new)
        new = [trial for trial in new if "tries" in trial.user_attrs]  # others are not ours
        for trial in new:
            trial.distributions = self._parameters  # of which storages keep a copy for each trial
            proposed, again = trial.user_attrs["proposal"], trial.user_attrs["tries"]["again"]
            self.slots.add(trial.number, (proposed["asked"], *proposed["picks"]), again)
            self.open.pop(again, None)
        finished = []
        for trial in (*changed, *new):
            state = record.state(trial)
            if state == "running":
                self.running[trial.number] = trial
                continue
            self.running.pop(trial.number, None)
            self.slots.end(trial.number, state)
            if state == "open":
                self.open[trial.number] = trial
            elif state == "finished":
                finished.append(trial)
        finished.sort(key=record.order)
        self.finished += [record.record(self._space, trial) for trial in finished]
        return new

    def _changed(self) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """The trials that were running, and the new ones, by number."""
        storage, study = self._storage, self._study
        if self._at_once or not self.next:
            trials = storage.get_all_trials(study, deepcopy=False)
            return [trials[number] for number in self.running], trials[self.next :]
        changed = [storage.get_trial(trial._trial_id) for trial in self.running.values()]
        new: list[FrozenTrial] = []
        while True:
            try:
                trial_id = storage.get_trial_id_from_study_id_trial_number(
                    study, self.next + len(new)
                )
            except KeyError:
                return changed, new
            new.append(storage.get_trial(trial_id))
