"""The ask/tell loop: propose, evaluate, remember. Any number of processes run it on one study."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType

from squeezenas.ask_tell.evaluators.evaluator import Evaluator
from squeezenas.ask_tell.objective import affordable, merit
from squeezenas.ask_tell.study import Claim, Record, Trials
from squeezenas.core.architecture import Architecture
from squeezenas.core.ask_tell_config import AskTellRegime
from squeezenas.core.trial import Proposal, Trial
from squeezenas.strategies.ask_tell import REDRAW, AskTellStrategy

REDRAWS = 20  # of a strategy, until what it proposes is within the budget
NEIGHBOURS = 20  # of a proposal that is too dear; the cheapest takes its place
REPAIRS = 500


class AskTellSearch:
    """One process's part in a search.

    Args:
        regime: the objective and the limits.
        strategy: proposes; it hears of every trial, whichever process evaluated it.
        evaluator: prices and scores.
        trials: what all processes share.
        seed: of evaluations.

    Attributes:
        records: every finished trial, in order of finishing.
    """

    def __init__(
        self,
        regime: AskTellRegime,
        strategy: AskTellStrategy,
        evaluator: Evaluator,
        trials: Trials,
        seed: int,
    ) -> None:
        self.regime, self.strategy, self.evaluator = regime, strategy, evaluator
        self.trials, self.seed = trials, seed
        self.records: list[Record] = []

    def run(self, hear: Callable[[Record], None]) -> None:
        """Evaluates until the budget is spent, by this process and all others.

        Args:
            hear: is told of every finished trial, those from before a resumption first.

        Raises:
            OSError: the storage cannot be read or written.
        """
        while True:
            self._listen(hear)
            claim = self.trials.claim(self._propose)
            if claim is None:
                break
            self._evaluate(claim)
        self._listen(hear)

    def merit(self, record: Record) -> float | None:
        """What is maximised; None where the evaluation failed."""
        if record.value is None:
            return None
        return merit(self.regime.objective, self.evaluator.figure, record.value, record.cost)

    def _listen(self, hear: Callable[[Record], None]) -> None:
        front = self.regime.objective.kind == "pareto"
        for record in self.trials.news():
            self.records.append(record)
            cost = record.cost if front else None  # else cost is part of the merit, if of anything
            self.strategy.tell(
                Trial(record.number, record.architecture, self.merit(record), cost, record.notes)
            )
            hear(record)

    def _propose(self, number: int, pending: Collection[Architecture]) -> Proposal:
        """What the strategy asks for, or something like it that is within the budget."""
        proposal = self.strategy.ask(number, pending)
        redraws = 0
        while not self._affordable(proposal.architecture):
            redraws += 1
            if redraws > REDRAWS:
                rng = random.Random(f"{self.seed}-{number}-repair")
                return Proposal(self._repaired(proposal.architecture, rng))
            proposal = self.strategy.ask(number + redraws * REDRAW, pending)
        return proposal

    def _affordable(self, architecture: Architecture) -> bool:
        objective = self.regime.objective
        if objective.kind != "limit" or objective.target is None:
            return True
        return affordable(objective, self.evaluator.cost(architecture))

    def _repaired(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """Steps to cheaper neighbours until one is within the budget.

        Raises:
            ValueError: none is found.
        """

        def cost(candidate: Architecture) -> float:
            value = self.evaluator.cost(candidate)
            assert value is not None
            return value

        space = self.evaluator.space
        for _ in range(REPAIRS):
            if self._affordable(architecture):
                return architecture
            near = [space.mutate(architecture, rng) for _ in range(NEIGHBOURS)]
            best = min(near, key=cost)
            if cost(best) >= cost(architecture):
                best = space.sample(rng)  # nothing near is cheaper: elsewhere
            architecture = best
        raise ValueError(
            f"no architecture of {space.name} within regime.objective.target="
            f"{self.regime.objective.target:g} {self.evaluator.unit} was found; raise it"
        )

    def _evaluate(self, claim: Claim) -> None:
        """Scores what was claimed; what fails is recorded, and the search goes on."""
        try:
            cost = self.evaluator.cost(claim.architecture)
            with _no_longer_than(self.regime.evaluator.timeout):
                found = self.evaluator.evaluate(claim.architecture, self.seed + claim.number)
        except Exception as error:  # whatever a network or its training may raise
            self.trials.fail(claim, f"{type(error).__name__}: {error}")
            return
        figures = dict(found.figures)
        values = [found.value]
        if cost is not None:
            figures["cost"] = cost
            values += [cost] if self.regime.objective.kind == "pareto" else []
        self.trials.finish(claim, values, figures, found.seconds)


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raises TimeoutError within, after so many seconds; 0: never."""
    if not seconds:
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took longer than {seconds:g} s (regime.evaluator.timeout)")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
