"""Overhead of trials: 20,000 of aging evolution on the NAS-Bench-201 table, in memory and on disk.

    python -m benchmarks.trials --root data/nasbench --output benchmarks/results/trials_cpu.json

One process asks, looks the accuracy up, writes the trial and tells the strategy, as a search does.
`storage_share` is the part of the time spent in claiming, finishing and hearing of trials, less
what the strategy took to propose. Seconds per trial are given for the first and the last thousand.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from squeezenas.ask_tell.storage import open_storage
from squeezenas.ask_tell.study import Trials
from squeezenas.core.architecture import Architecture
from squeezenas.core.files import write_atomically
from squeezenas.core.recipes import load_card
from squeezenas.core.table_card import TableCard
from squeezenas.core.trial import Proposal, Trial
from squeezenas.data.tables import BenchmarkTable, read_table
from squeezenas.strategies.ask_tell import make_strategy
from squeezenas.tracking.environment import environment

STRATEGY, FIGURE = "aging_evolution", "cifar10_val_12ep"


def search(table: BenchmarkTable, storage: str, folder: Path, trials: int) -> dict[str, Any]:
    """One whole search, timed."""
    strategy = make_strategy(STRATEGY, {}, table.space, seed=0)
    strategy_seconds = storage_seconds = 0.0
    ends, best = [time.perf_counter()], 0.0

    def propose(number: int, pending: Sequence[Architecture]) -> Proposal:
        nonlocal strategy_seconds
        begin = time.perf_counter()
        proposal = strategy.ask(number, pending)
        strategy_seconds += time.perf_counter() - begin
        return proposal

    shared = Trials(
        open_storage(storage, folder), "benchmark", {"strategy": STRATEGY}, table.space,
        ["maximize"], trials,
    )  # fmt: skip
    while True:
        begin = time.perf_counter()
        news = shared.news()
        storage_seconds += time.perf_counter() - begin
        for record in news:
            begin = time.perf_counter()
            strategy.tell(Trial(record.number, record.architecture, record.value))
            strategy_seconds += time.perf_counter() - begin
        proposing, begin = strategy_seconds, time.perf_counter()
        claim = shared.claim(propose)
        storage_seconds += time.perf_counter() - begin - (strategy_seconds - proposing)
        if claim is None:
            break
        value = table.value(claim.architecture, FIGURE)
        best = max(best, value)
        begin = time.perf_counter()
        shared.finish(claim, [value], {}, 0.0)
        storage_seconds += time.perf_counter() - begin
        ends.append(time.perf_counter())
    shared.close()
    total, part = ends[-1] - ends[0], min(1000, trials // 2)
    first, last = (ends[part] - ends[0]) / part, (ends[-1] - ends[-1 - part]) / part
    return {
        "storage": storage,
        "trials": len(shared.records()),
        "seconds": round(total, 2),
        "first_ms_per_trial": round(first * 1e3, 3),
        "last_ms_per_trial": round(last * 1e3, 3),
        "last_over_first": round(last / first, 3),
        "storage_share": round(storage_seconds / total, 3),
        "strategy_share": round(strategy_seconds / total, 3),
        "best": best,
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
    }


def reopened(table: BenchmarkTable, storage: str, folder: Path, trials: int) -> float:
    """Seconds until a process that joins has read the whole history."""
    begin = time.perf_counter()
    shared = Trials(
        open_storage(storage, folder), "benchmark", {"strategy": STRATEGY}, table.space,
        ["maximize"], trials,
    )  # fmt: skip
    assert len(shared.records()) == trials
    shared.close()
    return round(time.perf_counter() - begin, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of the table")
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--storages", nargs="+", default=["memory", "journal"])
    parser.add_argument("--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    card = load_card(["datasets=nasbench201", f"datasets.root={options.root}"])
    assert isinstance(card, TableCard)
    table = read_table(card)
    results = []
    for storage in options.storages:
        with tempfile.TemporaryDirectory() as folder:
            load = os.getloadavg()[0]
            found = search(table, storage, Path(folder), options.trials)
            found["load_at_start"] = round(load, 2)
            if storage != "memory":
                found["reopening_seconds"] = reopened(table, storage, Path(folder), options.trials)
        print(json.dumps(found))
        results.append(found)
    if options.output:
        where = {key: value for key, value in environment().items() if key != "command"}
        content = {"environment": where, "strategy": STRATEGY, "results": results}
        write_atomically(options.output, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
