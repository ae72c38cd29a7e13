"""The heartbeat of a worker: a count that goes up in its trial while it evaluates.

Only processes on other machines read it, and only evaluations longer than an interval write one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

BEAT = "heartbeat"


class Heartbeat:
    """Writes the heartbeats of the trials that a worker holds, in a thread of its own.

    Args:
        storage: where trials are kept.
        interval: seconds between two beats.
    """

    def __init__(self, storage: BaseStorage, interval: float) -> None:
        self._storage, self._interval = storage, interval
        self._held: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, trial_id: int) -> None:
        """A trial is being evaluated from now on."""
        self._held[trial_id] = 0
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def release(self, trial_id: int) -> None:
        """A trial ended."""
        self._held.pop(trial_id, None)

    def close(self) -> None:
        """No further beats."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            for trial_id, beat in list(self._held.items()):
                self._held[trial_id] = beat + 1
                try:
                    self._storage.set_trial_user_attr(trial_id, BEAT, beat + 1)
                except Exception:
                    # The trial ended meanwhile, or the storage does not answer: the next beat, or
                    # the worker itself, meets the same and can say so.
                    continue
