"""`train --dry-run`: two steps of every stage, and what the whole training would need."""

from __future__ import annotations

import time

from squeezenas.cli.forecast import memory, peak_memory
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.engine.distributed import Process
from squeezenas.training.fit import Fit
from squeezenas.training.stage import StageData, build_stage
from squeezenas.training.start import starting_weights
from squeezenas.training.transfer import Weights

STEPS = 2


def forecast(config: RetrainConfig, process: Process, data: dict[str, StageData]) -> None:
    """Walks every stage for two steps and prints seconds, memory and device-hours.

    Raises:
        FileNotFoundError, ValueError, OSError: a stage cannot begin; says why.
    """
    previous: Weights | None = None
    hours = 0.0
    for name, stage in config.regime.stages.items():
        weights = previous if stage.init == "previous" else starting_weights(stage.init, None)
        parts = build_stage(config, name, process, data[name], weights)
        fit = Fit(parts)
        seconds = _seconds_a_step(fit)
        previous = Weights(parts.network.state_dict(), parts.data.card.classes, f"stage {name}")
        needed = seconds * parts.steps / 3600
        hours += needed
        if process.main:
            print(
                f"{name}: batch {stage.batch_size} of {stage.crop[0]}x{stage.crop[1]} in "
                f"{parts.precision} on {process.device}, {parts.steps} steps\n"
                f"  step         {seconds:.2f} s, loading included\n"
                f"  peak memory  {peak_memory(process.device) / 2**30:.2f} of "
                f"{memory(process.device) / 2**30:.1f} GiB, all stages so far\n"
                f"  stage        {needed:.2f} h, validation not counted"
            )
            if parts.transfer:
                print(f"  {str(parts.transfer).replace(chr(10), chr(10) + '  ')}")
    if process.main:
        print(
            f"whole training: {hours:.2f} h, {hours * process.world_size:.2f} device-hours; "
            "no run folder was made"
        )


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
