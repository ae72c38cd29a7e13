"""`train --dry-run`: two steps of every stage, and what the whole training would need."""

from __future__ import annotations

import time

from squeezenas.cli.forecast import memory, peak_memory
from squeezenas.cli.steps import batch_text
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.engine.distributed import Process
from squeezenas.training.fit import Fit
from squeezenas.training.stage import StageData, build_stage
from squeezenas.training.start import starting_weights
from squeezenas.training.transfer import StartingWeights
from squeezenas.training.validation import validate

STEPS = 2


def forecast(config: RetrainConfig, process: Process, data: dict[str, StageData]) -> None:
    """Walks every stage for two steps and prints seconds, memory and device-hours.

    Raises:
        FileNotFoundError, ValueError, OSError: a stage cannot begin; says why.
    """
    previous: StartingWeights | None = None
    hours = 0.0
    for name, stage in config.regime.stages.items():
        weights = previous if stage.init == "previous" else starting_weights(stage.init, None)
        parts = build_stage(config, name, process, data[name], weights)
        fit = Fit(parts)
        seconds = _seconds_a_step(fit)
        validation = _seconds_of_validation(fit)
        previous = StartingWeights(
            parts.network.state_dict(), parts.data.card.classes, f"stage {name}"
        )
        times = -(-stage.epochs // stage.validate_every)
        needed = (seconds * parts.steps + validation * times) / 3600
        hours += needed
        if process.main:
            print(
                f"{name}: {batch_text(stage, parts.data.card)} in "
                f"{parts.precision} on {process.device}, {parts.steps} steps\n"
                f"  step         {seconds:.2f} s, loading included\n"
                f"  peak memory  {peak_memory(process.device) / 2**30:.2f} of "
                f"{memory(process.device) / 2**30:.1f} GiB, all stages so far\n"
                f"  validation   {validation:.1f} s, {times} times\n"
                f"  stage        {needed:.2f} h"
            )
            if parts.transfer:
                print(f"  {str(parts.transfer).replace(chr(10), chr(10) + '  ')}")
    if process.main:
        print(
            f"whole training: {hours:.2f} h, {hours * process.world_size:.2f} device-hours; "
            "no run folder was made"
        )


def _seconds_of_validation(fit: Fit) -> float:
    """Seconds of a validation, scaled up from one image a process: the second of two passes."""
    parts = fit.parts
    few = parts.data.validation[: parts.process.world_size]
    if parts.data.card.task == "language":
        few = parts.data.validation[: 100 * parts.stage.bptt]
    seconds = 0.0
    for _ in range(2):
        begin = time.monotonic()
        validate(fit.network, parts, few)
        seconds = time.monotonic() - begin
    return seconds * len(parts.data.validation) / len(few)


def _seconds_a_step(fit: Fit) -> float:
    """Seconds of the second step, its data loading included: the first one warms up."""
    batches = fit.parts.stream.batches()
    seconds = 0.0
    for _ in range(STEPS):
        begin = time.monotonic()
        fit.learn(next(batches))
        fit.step += 1
        seconds = time.monotonic() - begin
    return seconds
