"""`--dry-run`: a step of each kind, and what the whole search would need.

The first steps are taken with one image a process. Only when the memory they took says that the
whole batch fits is it tried too; otherwise time and memory are scaled up from the one image.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import replace

import torch

from squeezenas.cli.steps import batch_text
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.setup import Search

FEWEST_COLUMNS = 2  # of a text; batch norms in a recurrent cell have no statistics of one
ROOM = 0.9  # share of a device's memory that a search may plan with


def forecast(parts: Search) -> None:
    """Prints seconds, memory and device-hours of the search that `parts` describe."""
    regime, process = parts.config.regime, parts.process
    parts.strategy.anneal(0.0)
    before = peak_memory(process.device)
    images = regime.batch_size // process.world_size
    few = min(images, FEWEST_COLUMNS if parts.card.task == "language" else 1)
    seconds = _steps(parts, few)
    added = peak_memory(process.device) - before
    needed = before + images * added // few
    fits = needed <= ROOM * memory(process.device)
    if fits and images > few:
        seconds = _steps(parts, images)
        needed = peak_memory(process.device)
    elif images > few:
        seconds = {kind: images / few * part for kind, part in seconds.items()}
    if not process.main:
        return
    warmup = regime.warmup_epochs * parts.steps_per_epoch
    total = parts.steps * seconds["weight"] + (parts.steps - warmup) * seconds["architecture"]
    hours = total / 3600
    print(
        f"dry run of {parts.space.name} with {regime.head} on {parts.config.datasets.name}, "
        f"{batch_text(regime, parts.card)}, {parts.precision} on {process.device}, "
        f"memory={regime.memory}\n"
        f"  weight step        {seconds['weight']:.2f} s\n"
        f"  architecture step  {seconds['architecture']:.2f} s\n"
        f"  peak memory        {needed / 2**30:.2f} GiB\n"
        f"  whole search       {hours:.2f} h for {parts.steps} steps ({warmup} of them warm-up), "
        f"{hours * process.world_size:.2f} device-hours, selection not counted"
    )
    if parts.cost and regime.cost:
        print(
            f"  reachable cost     {parts.cost.cheapest():.4g} to {parts.cost.dearest():.4g} "
            f"{parts.unit}, target {regime.cost.target:g}"
        )
    if not fits:
        print(
            f"  scaled up from one image: {images} of them do not fit in "
            f"{memory(process.device) / 2**30:.1f} GiB; lower regime.batch_size or regime.crop, "
            "or use regime.memory=lean"
        )
    print("no run folder was made")


def _steps(parts: Search, images: int) -> dict[str, float]:
    """Seconds of a step of each kind with so many images a process, after one of warm-up."""
    batch_size = images * parts.process.world_size
    regime = parts.config.regime.model_copy(update={"batch_size": batch_size})
    config = parts.config.model_copy(update={"regime": regime})
    searching = OneShotSearch(replace(parts, config=config))
    batches = [next(stream.batches()) for stream in parts.streams]
    axis = 1 if parts.card.task == "language" else 0
    few = [
        batch._replace(
            images=batch.images.narrow(axis, 0, images),
            labels=batch.labels.narrow(axis, 0, images),
            begins=True,
        )
        for batch in batches
    ]
    seconds = {}
    for _ in range(2):
        begin = time.monotonic()
        searching.learn_architecture(searching.architecture_step(few[1], few[0]))
        middle = time.monotonic()
        searching.learn_weights(few[0], held_out=True)
        seconds = {"architecture": middle - begin, "weight": time.monotonic() - middle}
    return seconds


def peak_memory(device: torch.device) -> int:
    """Largest memory so far in bytes: allocated on a GPU, resident for a process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory(device: torch.device) -> int:
    """All memory of the device in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
