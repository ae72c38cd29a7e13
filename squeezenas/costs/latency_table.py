"""A latency table measured on the device at hand, calibrated and checked against whole networks.

Whole networks are timed in the same rounds as the options (`squeezenas.costs.chains`), so that a
machine which slows down slows both. Half of them calibrate the table, the other half say how wrong
it is.
"""

from __future__ import annotations

import logging
import random
from functools import partial
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Size
from squeezenas.core.space import ChainSpace
from squeezenas.costs.chains import Chains
from squeezenas.costs.latency import Latency, conditions, deployed, laps, random_input, settled_laps
from squeezenas.costs.table import CostTable

NETWORKS = 12
ACCEPTABLE = 0.1  # mean relative error beyond which a user is warned
log = logging.getLogger(__name__)


@torch.random.fork_rng(devices=())  # random weights must not shift the random states of a search
def latency_table(
    space: ChainSpace,
    classes: int,
    head: str,
    resolution: Size,
    device: torch.device,
    precision: str = "fp32",
    seconds: float = 60.0,
    rounds: int = 6,
    progress: bool = True,
    runtime: str = "torch",
) -> CostTable:
    """Measures milliseconds of every option for one image.

    Args:
        space: what is measured.
        classes: number of classes of the head.
        head: segmentation head.
        resolution: height and width of the image.
        device: where to measure.
        precision: fp32, bf16 or fp16.
        seconds: rounds go on until this much time is spent.
        rounds: the fewest rounds, whatever the time.
        progress: whether to show progress bars.
        runtime: torch, onnxruntime or openvino.

    Returns:
        A table whose provenance names device, runtime, precision, threads and date, and holds
        `additive_error`: mean and largest relative error on the networks that did not calibrate it.

    Raises:
        ValueError: unknown precision, or the runtime is not installed.
    """
    rng = random.Random(0)
    chains = Chains(space, resolution, device, precision, runtime, progress)
    chains.run(rng)
    architectures = _spread(space, chains.table(), rng)
    image = random_input((3, *resolution), device, precision, runtime)
    networks = [
        deployed(space.network(a, classes, head), image, device, precision, runtime)
        for a in architectures
    ]
    runs = [partial(network, image) for network in networks]
    laps(runs, device)
    chains.clear()

    samples: list[list[float]] = [[] for _ in runs]
    start, done = perf_counter(), 0
    with tqdm(total=round(seconds), desc="latency", unit="s", disable=not progress) as bar:
        while done < rounds or perf_counter() - start < seconds:
            chains.run(rng)
            for run, times in zip(runs, samples, strict=True):
                times += settled_laps([run], device)
            done += 1
            bar.update(min(round(perf_counter() - start), round(seconds)) - bar.n)

    measured = np.array([Latency.of(times).median for times in samples])
    sums = np.array([chains.table().of(architecture) for architecture in architectures])
    scale, fixed = calibrated(sums[::2], measured[::2])
    predicted = scale * sums + fixed
    errors = np.abs(predicted / measured - 1)[1::2]
    if errors.mean() > ACCEPTABLE:
        log.warning(
            "the latency table is off by %.0f %% on whole networks: is the machine busy? "
            "Stop other programs and measure again for a better one",
            100 * errors.mean(),
        )
    networks_report = [
        {"options": space.write(a), "measured": float(m), "predicted": float(p)}
        for a, m, p in zip(architectures, measured, predicted, strict=True)
    ]
    provenance = {
        "space": space.name,
        "head": head,
        "classes": classes,
        "resolution": list(resolution),
        **conditions(device, precision, runtime),
        "rounds": done,
        "scale": scale,
        "additive_error": {
            "mean": float(errors.mean()),
            "max": float(errors.max()),
            "networks": len(errors),
        },
        "whole_networks": networks_report,
    }
    return chains.table(scale, fixed, provenance)


def calibrated(sums: NDArray[np.float64], measured: NDArray[np.float64]) -> tuple[float, float]:
    """Scale and offset that take sums of options to whole networks, by least relative squares.

    The scale stays within 0.5 to 1.5 and the offset is not negative: a table that needs more than
    that measured something else.

    Args:
        sums: predicted ms of each network, without what all networks share.
        measured: ms of each network.
    """
    rows = np.stack((sums / measured, 1 / measured), axis=1)
    free = np.linalg.lstsq(rows, np.ones(len(sums)), rcond=None)[0][0]
    scale = float(np.clip(free, 0.5, 1.5))
    fixed = float(rows[:, 1] @ (1 - scale * rows[:, 0]) / (rows[:, 1] @ rows[:, 1]))
    if fixed >= 0:
        return scale, fixed
    return float(np.clip(rows[:, 0].sum() / (rows[:, 0] @ rows[:, 0]), 0.5, 1.5)), 0.0


def _spread(space: ChainSpace, table: CostTable, rng: random.Random) -> list[Architecture]:
    """Networks of evenly spaced cost, cheapest to dearest: random ones, mutated towards it."""
    found = []
    for wanted in np.linspace(table.cheapest(), table.dearest(), NETWORKS):
        best = space.sample(rng)
        for _ in range(200):
            other = space.mutate(best, rng)
            if abs(table.of(other) - wanted) < abs(table.of(best) - wanted):
                best = other
        found.append(best)
    return found
