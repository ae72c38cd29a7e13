"""The ask/tell loop: propose, evaluate, remember. Any number of processes run it on one study."""

from __future__ import annotations

import math
import random
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType

from squeezenas.ask_tell.evaluators.evaluator import Evaluator
from squeezenas.ask_tell.objective import merit
from squeezenas.ask_tell.study import Claim, Record, Trials
from squeezenas.core.architecture import Architecture
from squeezenas.core.ask_tell_config import AskTellRegime
from squeezenas.core.machine_faults import of_the_machine
from squeezenas.core.stopped import Stopped
from squeezenas.core.trial import Proposal, Trial
from squeezenas.engine.preemption import SafePoints
from squeezenas.strategies.ask_tell import REDRAW, AskTellStrategy

REDRAWS = 20  # of a strategy, until what it proposes is within the budget
NEIGHBOURS = 20  # of a proposal that is too dear; the cheapest takes its place
REPAIRS = 50  # steps to cheaper neighbours
DRAWS = 500  # of random architectures, where those lead nowhere


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
            OSError: the storage, or what an evaluation needs, cannot be read or written.
            Stopped: a signal or the end of the time asked for it; what this process was evaluating
                is left to others, or to its resumption.
        """
        safe_points = SafePoints()
        while True:
            self._listen(hear)
            safe_points.reached()
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
            merit = self.merit(record)
            if merit is not None and not math.isfinite(merit):
                merit = None  # one such teacher would spoil a mean for ever
            self.strategy.tell(Trial(record.asked, record.architecture, merit, cost, record.notes))
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
        cost = self.evaluator.cost(architecture)
        return cost is None or cost <= objective.target

    def _repaired(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """Steps to cheaper neighbours until one is within the budget.

        Where they lead nowhere it is a random architecture within the budget, or one that was
        evaluated already.

        Raises:
            ValueError: none was ever seen.
        """

        def cost(candidate: Architecture) -> float:
            value = self.evaluator.cost(candidate)
            assert value is not None
            return value

        space = self.evaluator.space
        for _ in range(REPAIRS):
            near = [space.mutate(architecture, rng) for _ in range(NEIGHBOURS)]
            best = min(near, key=cost)
            if self._affordable(best):
                return best
            if cost(best) >= cost(architecture):
                break
            architecture = best
        drawn = (space.sample(rng) for _ in range(DRAWS))
        known = [record.architecture for record in self.records if record.cost is not None]
        for candidate in (*drawn, *rng.sample(known, len(known))):
            if self._affordable(candidate):
                return candidate
        raise ValueError(
            f"no architecture of {space.name} within regime.objective.target="
            f"{self.regime.objective.target:g} {self.evaluator.unit} was found; raise it"
        )

    def _evaluate(self, claim: Claim) -> None:
        """Scores what was claimed; what fails is recorded, and the search goes on.

        Raises:
            OSError, RuntimeError: it is the machine that fails; the trial is left to others.
        """
        begin = time.monotonic()
        seed = random.Random(f"{self.seed}-{claim.asked}-evaluation").getrandbits(31)
        try:
            cost = self.evaluator.cost(claim.architecture)
            with _no_longer_than(self.regime.evaluator.timeout):
                found = self.evaluator.evaluate(claim.architecture, seed)
        except Stopped:
            self.trials.give_back(claim)
            raise
        except Exception as error:  # whatever a network or its training may raise
            if of_the_machine(error):  # every other architecture would fail as well
                self.trials.give_back(claim)
                raise
            reason = f"{type(error).__name__}: {error}"
            self.trials.fail(claim, reason, time.monotonic() - begin)
            return
        figures = dict(found.figures)
        values = [found.value]
        if cost is not None:
            figures["cost"] = cost
            values += [cost] if self.regime.objective.kind == "pareto" else []
        self.trials.finish(claim, values, figures, found.seconds)


class EvaluationTimeoutError(Exception):
    """An evaluation took longer than allowed; no OSError, which a training may mend by itself."""


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raises `EvaluationTimeoutError` within, again and again after so many seconds; 0: never.

    Signals reach the main thread alone, so this must be it.
    """
    if not seconds:
        yield
        return
    over = False

    def late(number: int, frame: FrameType | None) -> None:
        if not over:
            raise EvaluationTimeoutError(
                f"took longer than {seconds:g} s (regime.evaluator.timeout)"
            )

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
