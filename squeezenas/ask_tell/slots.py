"""Which trials of a shared study count, so that exactly `budget` do, whoever dies.

A trial either opens a slot or tries again what a failed one left open. The storage numbers trials
without gaps in the order in which they appear, and whoever sees a trial sees all before it. So
every process can tell by numbers alone which count. Of the slots that were not withdrawn the first
`budget` do. Of several tries of what failed, and of several trials of the same draw, made by
workers that asked their strategies with the same number after the same trials, the first does. Who
made one that does not count withdraws it before evaluating it. A process that has not seen a
withdrawal yet errs on the safe side: it takes fewer trials to count, never more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from typing import Literal

State = Literal["running", "finished", "open", "withdrawn"]
"""`finished` for good, with or without a result; `open`: failed, to be tried again."""


class Slots:
    """The books of one process.

    Args:
        budget: how many trials are to finish.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._slots: list[int] = []  # numbers of the trials that opened them
        self._draws: dict[Hashable, int] = {}
        self._tried_again: dict[int, int] = {}
        self._first_try: dict[int, int] = {}  # of every second or later one
        self._open: set[int] = set()
        self._finished = 0

    def add(self, number: int, draw: Hashable, again: int | None = None) -> None:
        """A new running trial; trials come in the order of their numbers.

        Args:
            number: of the trial.
            draw: equal for trials of one draw.
            again: the failed trial that it tries again.
        """
        if again is None:
            if self._draws.setdefault(draw, number) == number:
                self._slots.append(number)
        else:
            self._first_try[number] = self._first_try.get(again, again)
            self._tried_again.setdefault(again, number)
            self._open.discard(again)

    def end(self, number: int, state: State) -> None:
        """A trial ended."""
        if state == "finished":
            self._finished += 1
        elif state == "open" and number not in self._tried_again:
            self._open.add(number)
        elif state == "withdrawn" and (place := self._place(number)) is not None:
            del self._slots[place]

    def counts(self, number: int) -> bool:
        """Whether a trial that was not withdrawn is one of those that the budget is for."""
        latest = self._first_try.get(number, number)
        place = self._place(latest)
        if place is None or place >= self._budget:
            return False
        while latest < number:
            latest = self._tried_again.get(latest, number + 1)
        return latest == number

    def _place(self, number: int) -> int | None:
        """Which slot a trial opened."""
        place = bisect_left(self._slots, number)
        return place if self._slots[place : place + 1] == [number] else None

    @property
    def opened(self) -> int:
        """How many slots there are: the number under which a strategy is asked for the next one.

        Trials that try again what failed are not among them, so a search whose worker was killed
        goes on as if it had not been.
        """
        return len(self._slots)

    @property
    def free(self) -> bool:
        """Whether a new trial would count."""
        return len(self._slots) < self._budget

    @property
    def done(self) -> bool:
        """Whether as many trials as the budget allows have finished."""
        return self._finished >= self._budget

    def to_try_again(self) -> int | None:
        """The first failed trial that nobody tries again yet."""
        return min(filter(self.counts, self._open), default=None)
