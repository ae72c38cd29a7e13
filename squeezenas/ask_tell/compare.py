"""Strategies on the same table with the same seeds: ask, look up, tell, in memory.

A search counts every evaluation, also of an architecture that it has evaluated before. What a
strategy proposes does not depend on how long it may go on, so one search gives the results after
any number of evaluations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, NamedTuple

from squeezenas.core.compare_config import ALL, CompareConfig, card_keys
from squeezenas.core.registry import nearest
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Trial
from squeezenas.data.tables import BenchmarkTable, read_table
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies, make_strategy


class Entry(NamedTuple):
    """A strategy with its settings, under the label it is compared by."""

    label: str
    strategy: str
    keys: Mapping[str, Any]
    seeds: int


@dataclass(frozen=True)
class Trace:
    """One search.

    Args:
        values: the figure of each architecture in turn; NaN where it could not be looked up.
        costs: seconds of each evaluation by the table; empty where it does not tell.
        reported: the other figure of the best after each budget; empty if none is asked for.
        thinking: seconds that the strategy itself took.
    """

    values: list[float]
    costs: list[float]
    reported: list[float]
    thinking: float


class Outcome(NamedTuple):
    """How the search of an entry with a seed ended; `failure` says why it did not."""

    entry: Entry
    seed: int
    trace: Trace | None
    failure: str = ""


def entries(config: CompareConfig, space: SearchSpace) -> list[Entry]:
    """What is compared: each strategy with the keys of its card, and its settings over them.

    Raises:
        ValueError: an unknown strategy, settings that it does not have or of one left out, or one
            that begins with more evaluations than there are.
    """
    variants = [label for label, keys in config.settings.items() if "name" in keys]
    labels = list(config.strategies)
    if ALL in labels:
        labels = sorted({*ask_tell_strategies.names(), *variants, *labels} - {ALL})
    found = []
    for label in dict.fromkeys(labels):
        keys = dict(config.settings.get(label, {}))
        strategy = str(keys.pop("name", label))
        seeds = keys.pop("seeds", config.seeds)
        if type(seeds) is not int or not 2 <= seeds <= config.seeds:
            raise ValueError(
                f"settings.{label}.seeds: expected a whole number in 2..{config.seeds} "
                f"(seeds={config.seeds}), got {seeds!r}"
            )
        keys = {**card_keys(strategy), **keys}
        _require_learning(label, make_strategy(strategy, keys, space, 0), config.budget[-1])
        found.append(Entry(label, strategy, keys, seeds))
    for label in config.settings:
        if label not in labels:
            raise ValueError(
                f"settings.{label}: not among the strategies that are compared"
                f"{nearest(label, labels)}; add it to strategies=, or leave it out"
            )
    return found


def _require_learning(label: str, strategy: AskTellStrategy, budget: int) -> None:
    """Refuses a strategy that the budget ends before it learns: it would be random search."""
    if strategy.initial < budget:
        return
    key = _beginning(strategy)
    lower = f"lower settings.{label}.{key}, or raise budget" if key else "raise budget"
    raise ValueError(
        f"budget={budget}: strategy {label} begins with {strategy.initial} evaluations that it "
        f"learns nothing from; {lower}"
    )


def _beginning(strategy: AskTellStrategy) -> str:
    """The key that says how many evaluations it begins with: a smaller one makes those fewer."""
    fewer = max(1, strategy.initial - 1)
    for key, value in strategy.config:
        if type(value) is int and value > fewer:
            config = strategy.config.model_copy(update={key: fewer})
            if type(strategy)(strategy.space, config, strategy.seed).initial < strategy.initial:
                return str(key)
    return ""


def read_compared(config: CompareConfig) -> tuple[BenchmarkTable, str]:
    """The table, as far as it has all that is asked for, and the figure that is searched for.

    Raises:
        FileNotFoundError, ValueError: the table is not there or not whole.
    """
    table = read_table(config.datasets)
    figure = config.figure or next(iter(table.figures))
    for key, name in (("figure", figure), ("report", config.report)):
        if name and name not in table.figures:
            known = list(table.figures)
            raise ValueError(
                f"{key}={name}: table {config.datasets.name} has no such figure"
                f"{nearest(name, known)}; known: {', '.join(known)}"
            )
    table = table.require(figure)
    return (table.require(config.report) if config.report else table), figure


def search(
    table: BenchmarkTable, figure: str, config: CompareConfig, entry: Entry, seed: int
) -> Trace:
    """One search, as long as the largest budget.

    A proposal that the table does not have is told as a failed trial; it counts all the same.

    Raises:
        ValueError: no proposal up to the first budget is in the table.
    """
    strategy = make_strategy(entry.strategy, entry.keys, table.space, seed)
    way_up, seconds = table.figures[figure], config.datasets.seconds
    values, costs, reported, thinking = [], [], [], 0.0
    best, found = -math.inf, None
    for number in range(config.budget[-1]):
        start = time.perf_counter()
        proposal = strategy.ask(number)
        thinking += time.perf_counter() - start
        architecture, merit = proposal.architecture, None
        values.append(math.nan)
        if architecture in table:
            values[-1] = table.value(architecture, figure)
            merit = way_up.merit(values[-1])
            if merit > best:
                best, found = merit, architecture
        if seconds:
            costs.append(table.cost(architecture, seconds) if merit is not None else 0.0)
        start = time.perf_counter()
        strategy.tell(Trial(number, architecture, merit, None, proposal.notes))
        thinking += time.perf_counter() - start
        if number + 1 not in config.budget:
            continue
        if found is None:
            raise ValueError(f"none of {number + 1} proposals is in the table")
        if config.report:
            reported.append(table.value(found, config.report))
    return Trace(values, costs, reported, thinking)


def run(config: CompareConfig, compared: Sequence[Entry]) -> Iterator[Outcome]:
    """Every search, as they finish; what goes wrong in one ends those of its strategy alone."""
    work = [(entry, seed) for seed in range(config.seeds) for entry in compared]
    work = [(entry, seed) for entry, seed in work if seed < entry.seeds]
    pool = ProcessPoolExecutor(
        config.jobs, get_context("spawn"), initializer=_prepare, initargs=(config,)
    )
    futures = {pool.submit(_search, entry, seed): (entry, seed) for entry, seed in work}
    failed: set[str] = set()
    try:
        for future in as_completed(futures):
            entry, seed = futures[future]
            if entry.label in failed:
                continue
            outcome = _outcome(entry, seed, future)
            if outcome.trace is None:
                failed.add(entry.label)
                for other, (its, _) in futures.items():
                    if its.label == entry.label:
                        other.cancel()
            yield outcome
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(entry: Entry, seed: int, future: Future[Trace]) -> Outcome:
    try:
        return Outcome(entry, seed, future.result())
    except Exception as error:
        reason = f"{entry.label}, seed {seed}: {type(error).__name__}: {error}"
        return Outcome(entry, seed, None, reason)


_here: dict[str, Any] = {}  # of a process of the pool: the table is read once


def _prepare(config: CompareConfig) -> None:
    import torch

    torch.set_num_threads(1)
    _here["table"], _here["figure"] = read_compared(config)
    _here["config"] = config


def _search(entry: Entry, seed: int) -> Trace:
    return search(_here["table"], _here["figure"], _here["config"], entry, seed)
