"""Milliseconds of a module on the device at hand, as it would be deployed.

Evaluation mode, batch norm folded, channels last, one image, warmed up; the median of many repeats
and their interquartile range, because a mean belongs to whatever else the machine was doing.
"""

from __future__ import annotations

import datetime
import importlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from squeezenas.nn.fold import folded
from squeezenas.runtimes.runtime import compile

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Latency:
    """What a measurement found: median and interquartile range in milliseconds, and repeats."""

    median: float
    iqr: float
    repeats: int

    @staticmethod
    def of(samples: Sequence[float]) -> Latency:
        """The summary of repeated measurements in ms."""
        low, median, high = np.percentile(samples, (25, 50, 75))
        return Latency(float(median), float(high - low), len(samples))


@torch.random.fork_rng(devices=())  # random weights must not shift the random states of a search
def measure_latency(
    module: nn.Module,
    shape: tuple[int, int, int],
    device: torch.device,
    precision: str = "fp32",
    seconds: float = 3.0,
    warmup: int = 3,
    repeats: int = 10,
    runtime: str = "torch",
) -> Latency:
    """Times a module, batch 1, on an input of `shape` `(C, H, W)`.

    Args:
        module: in any mode and memory format; it is copied.
        shape: of one image.
        device: where to time; the CPU for runtimes other than torch.
        precision: fp32, bf16 or fp16; weights and input are cast.
        seconds: repeats go on until this much time is spent, up to 1000 of them.
        warmup: runs which are not counted.
        repeats: the fewest runs that are counted, whatever the time.
        runtime: torch, onnxruntime or openvino.

    Raises:
        ValueError: unknown precision, or the runtime is not installed.
    """
    x = random_input(shape, device, precision, runtime)
    network = deployed(module, x, device, precision, runtime)
    return timed(lambda: network(x), device, seconds, warmup, repeats)


def timed(
    step: Callable[[], object], device: torch.device, seconds: float, warmup: int, repeats: int
) -> Latency:
    """Times a step; the arguments are those of `measure_latency`."""
    for _ in range(warmup):
        laps([step], device)
    samples: list[float] = []
    start = perf_counter()
    while len(samples) < repeats or (len(samples) < 1000 and perf_counter() - start < seconds):
        samples += laps([step], device)
    return Latency.of(samples)


def placed(runtime: str, device: torch.device, precision: str) -> tuple[torch.device, str]:
    """Device and precision a search's latency is measured with: its own in torch, else the CPU's.

    ONNX Runtime and OpenVINO run on the CPU here, and float32 is the precision they share.
    """
    return (device, precision) if runtime == "torch" else (torch.device("cpu"), "fp32")


def deployed(
    module: nn.Module, x: Any, device: torch.device, precision: str, runtime: str = "torch"
) -> Callable[[Any], Any]:
    """A folded copy of `module`, ready for inputs like `x`: what every timing here runs.

    Args:
        module: in any mode; it is copied.
        x: of `random_input`.
        device: where it runs.
        precision: fp32, bf16 or fp16.
        runtime: torch, onnxruntime or openvino.

    Raises:
        ValueError: the runtime is not installed, or does not compute in that precision.
    """
    copy = folded(module)
    if runtime == "torch":
        return copy.to(device, PRECISIONS[precision])
    return compile(runtime, copy, torch.from_numpy(x), precision, torch.get_num_threads())


def random_input(
    shape: tuple[int, int, int], device: torch.device, precision: str, runtime: str = "torch"
) -> Any:
    """One random image `(1, C, H, W)`: a tensor, channels last, or an array for other runtimes.

    Raises:
        ValueError: unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: it is one of {', '.join(PRECISIONS)}")
    x = torch.randn(1, *shape)
    if runtime != "torch":
        return x.numpy()
    return x.to(device, PRECISIONS[precision]).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def laps(steps: Sequence[Callable[[], object]], device: torch.device) -> list[float]:
    """Runs the steps one after another and returns the milliseconds of each.

    On a GPU events are recorded between the steps and read at the end, so that the steps queue up
    as they do within a network.
    """
    if device.type == "cuda":
        events = [torch.cuda.Event(enable_timing=True) for _ in range(len(steps) + 1)]
        torch.cuda.synchronize(device)
        with torch.cuda.device(device):
            events[0].record()
            for step, event in zip(steps, events[1:], strict=True):
                step()
                event.record()
        torch.cuda.synchronize(device)
        return [a.elapsed_time(b) for a, b in pairwise(events)]
    marks = [perf_counter()]
    for step in steps:
        step()
        marks.append(perf_counter())
    return [(b - a) * 1e3 for a, b in pairwise(marks)]


def settled_laps(steps: Sequence[Callable[[], object]], device: torch.device) -> list[float]:
    """`laps` of the second of two runs: the first fills caches, as the frame before does."""
    laps(steps, device)
    return laps(steps, device)


def conditions(device: torch.device, precision: str, runtime: str = "torch") -> dict[str, object]:
    """What a latency is worth nothing without: device, runtime, precision, threads, date."""
    how = "eager, batch norm folded, channels last" if runtime == "torch" else "batch norm folded"
    return {
        "device": device_name(device),
        "runtime": f"{runtime} {version(runtime)}, {how}, batch 1",
        "precision": precision,
        "threads": torch.get_num_threads(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def version(runtime: str) -> str:
    """The version of an installed runtime."""
    # OpenVINO adds its build and branch.
    return str(importlib.import_module(runtime).__version__).partition("-")[0]


def device_name(device: torch.device) -> str:
    """The model of the GPU or CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
