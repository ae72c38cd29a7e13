"""`squeezenas train`: a network through the stages of a regime, to a model card with weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch

from squeezenas.cli.retrain_forecast import forecast
from squeezenas.cli.stage_outcome import finished, write_model, write_stage
from squeezenas.cli.steps import batch_text
from squeezenas.cli.stopping import stoppable
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.data.feed import SAMPLES
from squeezenas.engine.distributed import Process, agree, start, stop, wait
from squeezenas.tracking.lineage import descent
from squeezenas.tracking.run import Run, make_folder
from squeezenas.training.fit import Fit
from squeezenas.training.stage import StageData, build_stage, read_data
from squeezenas.training.start import starting_weights


def main(config: RetrainConfig, resume: Path | None = None, dry_run: bool = False) -> int:
    """Trains every stage that is not finished and writes the run folder; the exit code is 0.

    Args:
        config: the resolved configuration.
        resume: folder of a run to continue.
        dry_run: take two steps of every stage and say what the whole would need.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
        Stopped: a signal or time_limit asked for it; the run can be resumed.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    process = start(config.device)
    # A name made of the time differs between processes, and only the main one's run counts.
    config, resume = agree((config, resume))
    data = read_data(config, process)
    folder = resume or config.runs / config.name
    places = {
        name: folder / f"{number}-{name}" for number, name in enumerate(config.regime.stages, 1)
    }
    done = agree([name for name, place in places.items() if finished(place)])
    check_stages(config, process, {name: data[name] for name in places if name not in done})
    if dry_run:
        forecast(config, process, data)
        stop()
        return 0
    if process.main and not resume:
        make_folder(folder, config.model_dump(mode="json"))
    wait()
    with stoppable(folder, process, "train.py"):
        previous: Path | None = None
        for name, place in places.items():
            if name in done:
                _say(process, f"stage {name} is finished: {place}")
            else:
                _run_stage(config, process, name, data[name], place, previous)
            previous = place
        if process.main:
            write_model(folder, config)
    stop()
    return 0


def check_stages(config: RetrainConfig, process: Process, data: dict[str, StageData]) -> None:
    """Builds every stage once, so that a mistake in the last one shows before the first begins.

    Args:
        config: the whole configuration.
        process: this process.
        data: the files of the stages to be run.

    Raises:
        ValueError: network, weights, optimiser or loss do not fit, or a file is missing.
    """
    for name in data:
        try:
            weights = starting_weights(config.regime.stages[name].init, None)
            Fit(build_stage(config, name, process, data[name], weights))
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"stage {name}: {error}") from error


def _run_stage(
    config: RetrainConfig,
    process: Process,
    name: str,
    data: StageData,
    place: Path,
    previous: Path | None,
) -> None:
    weights = starting_weights(config.regime.stages[name].init, previous)
    parts = build_stage(config, name, process, data, weights)
    begun = agree(place.exists())
    begin = Run.open if begun else Run.create
    stage = config.regime.stages[name].model_dump(mode="json")
    content = {"stage": name, "seed": config.seed, **stage}
    names = ("console", *config.tracking)
    run = begin(
        place, content, names, steps=parts.steps, main=process.main, wandb=config.wandb,
        lineage=descent(config.models, "train", place.parent.name),
    )  # fmt: skip
    with run:
        fit = Fit(parts)
        if begun:
            fit.resume(run)
        if parts.transfer:
            run.write_text("transfer.json", json.dumps(asdict(parts.transfer), indent=1) + "\n")
        _announce(fit, place)
        fit.run(run)
        write_stage(run, fit)


def _announce(fit: Fit, place: Path) -> None:
    parts = fit.parts
    stage, data, process = parts.stage, parts.data, parts.process
    text = (
        f"{place.name}: {data.card.title}, {len(data.training)} {SAMPLES[data.card.task]} to train "
        f"on, {len(data.validation)} to validate on; {parts.steps} steps of "
        f"{batch_text(stage, data.card)} in {parts.precision} on {process.device} "
        f"({process.world_size} process{'es' * (process.world_size > 1)})"
    )
    if parts.transfer:
        text += f"\n{parts.transfer}"
    where = f"resuming at step {fit.step} in" if fit.step else "everything goes to"
    _say(process, f"{text}\n{where} {place}")


def _say(process: Process, text: str) -> None:
    if process.main:
        print(text, flush=True)
