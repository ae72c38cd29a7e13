"""`squeezenas search`: from a configuration to a chosen network and everything around it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from squeezenas.cli.forecast import forecast
from squeezenas.cli.outcome import write_outcome
from squeezenas.cli.report import report_search
from squeezenas.cli.steps import batch_text
from squeezenas.cli.stopping import stoppable
from squeezenas.core.search_config import SearchConfig
from squeezenas.data.feed import SAMPLES
from squeezenas.engine.distributed import Process, agree, start, stop
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from squeezenas.search.select import select
from squeezenas.search.setup import Search, build
from squeezenas.tracking.run import Run


def main(config: SearchConfig, resume: Path | None = None, dry_run: bool = False) -> int:
    """Searches, selects and writes the run folder; the exit code is 0.

    Args:
        config: the resolved configuration.
        resume: folder of a run to continue.
        dry_run: build everything, take one step of each kind and say what the search would need.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
        Stopped: a signal or time_limit asked for it; the run can be resumed.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    process = start(config.device)
    # A name made of the time differs between processes, and only the main one's run counts.
    config, resume = agree((config, resume))
    folder = resume or config.runs / config.name
    if dry_run:
        with tempfile.TemporaryDirectory() as scratch:
            forecast(build(config, process, Path(scratch)))
        stop()
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        parts = build(config, process, resume or Path(scratch))
    run = _open(config, process, folder, resume is not None, parts)
    with run, stoppable(folder, process, "search.py"):
        searching = OneShotSearch(parts)
        if resume:
            searching.resume(run)
        if process.main and parts.cost and parts.cost.kind == "latency":
            parts.cost.save(folder / "latency.json")
        _announce(parts, folder, searching.step)
        searching.run(run)
        scorer = InheritedWeights(parts)
        selection = select(parts, searching.remembered(run, scorer.figure))
        searching.checkpoint(run)
        write_outcome(run, searching, scorer, selection)
        report_search(run)
    stop()
    return 0


def _open(
    config: SearchConfig, process: Process, folder: Path, resumed: bool, parts: Search
) -> Run:
    begin = Run.open if resumed else Run.create
    content = config.model_dump(mode="json")
    names = ("console", *config.tracking)
    return begin(folder, content, names, steps=parts.steps, main=process.main, wandb=config.wandb)


def _announce(parts: Search, folder: Path, step: int) -> None:
    if not parts.process.main:
        return
    data, regime, config = parts.data, parts.config.regime, parts.config
    unit = SAMPLES[parts.card.task]
    price = f"{len(parts.space.choices)} choices, {parts.space.size():.3g} networks"
    if parts.cost and regime.cost:
        low, high = parts.cost.cheapest(), parts.cost.dearest()
        price = f"networks cost {low:.4g} to {high:.4g} {parts.unit}, target {regime.cost.target:g}"
    print(
        f"searching {parts.space.name} with {regime.head} on {config.datasets.name}: "
        f"{len(data.weights)} {unit} for weights, {len(data.architecture)} for architecture, "
        f"{len(data.selection)} to choose on, {len(data.report)} to report on\n"
        f"{price}; {parts.steps} steps of {batch_text(regime, parts.card)} in {parts.precision} on "
        f"{parts.process.device} "
        f"({parts.process.world_size} process{'es' * (parts.process.world_size > 1)})\n"
        f"{'resuming at step ' + str(step) + ' in' if step else 'everything goes to'} {folder}",
        flush=True,
    )
