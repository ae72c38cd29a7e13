"""`squeezenas search` with an ask/tell regime: evaluations shared by processes, and their outcome.

Every process runs the same loop on one study. This one also keeps the run folder; the others, on
this machine or elsewhere, only evaluate: `python -m squeezenas.cli.ask_tell RUN` is one of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import torch

from squeezenas.ask_tell.loop import AskTellSearch
from squeezenas.ask_tell.setup import AskTell, AskTellParts, build, join
from squeezenas.ask_tell.study import Record
from squeezenas.cli.errors import exit_code
from squeezenas.cli.report import report_search
from squeezenas.cli.stopping import stoppable
from squeezenas.cli.trials_outcome import write_outcome
from squeezenas.core.resume import load_resumed_search
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.stopped import INTERRUPTED, TRY_AGAIN
from squeezenas.engine.distributed import Process, start
from squeezenas.engine.preemption import deferring, listening
from squeezenas.tracking.run import Run

CODES = (None, 0, TRY_AGAIN, INTERRUPTED)
"""Of processes that are well: still there, done, or asked to stop."""


def main(config: AskTell, resume: Path | None = None, dry_run: bool = False) -> int:
    """Evaluates until the budget is spent and writes the run folder; the exit code is 0.

    Args:
        config: the resolved configuration.
        resume: folder of a run to continue.
        dry_run: evaluate one architecture, say what the whole would take, and keep nothing.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
        Stopped: a signal or time_limit asked for it; the run can be resumed.
    """
    process = _start(config)
    parts = build(config, process)
    folder = resume or config.runs / config.name
    if dry_run:
        _forecast(parts)
        return 0
    # A shared study may be of another search; a journal is begun with the run folder.
    searching = None if config.storage == "journal" else join(parts, folder)
    begin = Run.open if resume else Run.create
    content, names = parts.config.model_dump(mode="json"), ("console", *config.tracking)
    with (
        begin(folder, content, names, steps=config.regime.trials, wandb=config.wandb) as run,
        stoppable(folder, process, "search.py"),
    ):
        if resume:
            run.restore(_no_checkpoint)
        searching = searching or join(parts, folder)
        _announce(parts, folder)
        with closing(searching.trials), _others(config.processes - 1, folder):
            searching.run(_Listener(run, searching))
        write_outcome(run, searching, parts.config)
        report_search(run)
    return 0


def _start(config: AskTell) -> Process:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "ask/tell searches share evaluations, not batches: start them without torchrun, with "
            "--workers N, or the same command on several machines"
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    shared = max((cores or 1) // config.processes, 1) if config.processes > 1 else 0
    if threads := config.threads or shared:
        torch.set_num_threads(threads)
    return start(config.device)


def _no_checkpoint(path: Path) -> dict[str, object]:
    raise ValueError(f"{path} is of another kind of run")


class _Listener:
    """Logs finished trials."""

    def __init__(self, run: Run, searching: AskTellSearch) -> None:
        self._run, self._searching = run, searching
        self._best: float | None = None
        self._failed = 0

    def __call__(self, record: Record) -> None:
        figure = self._searching.evaluator.figure
        metrics: dict[str, float] = {"trial/number": record.number}
        if record.value is None:
            self._failed += 1
            print(f"trial {record.number} failed: {record.error}", file=sys.stderr)
        else:
            values = [record.value, *([] if self._best is None else [self._best])]
            self._best = max(values, key=figure.merit)
            metrics |= {"trial/value": record.value, "trial/best": self._best}
            if record.cost is not None:
                metrics["trial/cost"] = record.cost
        metrics["trial/failed"] = self._failed
        self._run.log(metrics, len(self._searching.records))


@contextmanager
def _others(count: int, folder: Path) -> Iterator[None]:
    """Processes beside this one, until it has nothing more to do."""
    command = [sys.executable, "-m", "squeezenas.cli.ask_tell", str(folder)]
    with (folder / "workers.log").open("a") as log:
        started = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(count)]
        try:
            yield
        finally:
            if lost := sum(worker.poll() not in CODES for worker in started):
                print(f"{lost} of {count} processes ended early; see {log.name}", file=sys.stderr)
            for worker in started:
                worker.terminate()
            for worker in started:
                worker.wait()


def work(folder: Path) -> int:
    """A process that only evaluates, for the run in a folder."""
    config = load_resumed_search(folder, [])
    if isinstance(config, SearchConfig):
        raise ValueError(f"{folder} is a one-shot search, which has no evaluations to share")
    with listening():
        searching = join(build(config, _start(config)), folder)
        with closing(searching.trials), deferring():
            searching.run(lambda record: None)
    return 0


def _announce(parts: AskTellParts, folder: Path) -> None:
    config, evaluator = parts.config, parts.evaluator
    regime, space = config.regime, evaluator.space
    objective = regime.objective
    price = f", {objective.kind} {objective.target:g} {evaluator.unit}" if objective.target else ""
    print(
        f"{regime.strategy['name']} on {space.name} ({space.size():.3g} architectures), "
        f"{regime.trials} evaluations of {evaluator.figure.label}{price}, "
        f"{config.processes} process{'es' * (config.processes > 1)} here\n"
        f"study {config.study or config.name} in {config.storage}; everything goes to {folder}",
        flush=True,
    )


def _forecast(parts: AskTellParts) -> None:
    """Prints what one evaluation takes, and so the whole."""
    begin = time.monotonic()
    proposal = parts.strategy.ask(0)
    found = parts.evaluator.evaluate(proposal.architecture, parts.config.seed)
    seconds, trials = time.monotonic() - begin, parts.config.regime.trials
    figure = parts.evaluator.figure
    print(
        f"dry run: {figure.label} {figure.text(found.value)} in {seconds:.2f} s; {trials} "
        f"evaluations take about {seconds * trials / 3600:.2f} h in one process"
    )


if __name__ == "__main__":
    sys.exit(exit_code(lambda: work(Path(sys.argv[1])), debug=False))
