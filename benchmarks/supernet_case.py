"""One variant of the supernet step, measured in a process of its own; `supernet_step.py` starts it.

    python -m benchmarks.supernet_case '{"variant": "lean", "space": "squeezenas_small", ...}'

prints one line of JSON: on the CPU the seconds and the memory of one kind of step; on a GPU those
of both kinds at the given batch and at the largest batch that fits.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.space import SearchSpace, spaces
from squeezenas.nn.memory_format import channels_last
from squeezenas.nn.path import Path
from tests.slow_twin import slow_twin

CLASSES = 19
LARGEST_BATCH = 96  # beyond, single activations pass 2^31 elements
TWIN = "twin"


def build(space: SearchSpace, case: dict[str, Any]) -> nn.Module:
    """The network of a variant, in the memory format it is used in; equal weights in all."""
    torch.manual_seed(0)
    memory = "full" if case["variant"] == TWIN else case["variant"]
    network = space.supernet(CLASSES, case["head"], memory).to(case["device"]).train()
    if case["variant"] == TWIN:
        return slow_twin(network)
    return channels_last(network)


def inputs(space: SearchSpace, case: dict[str, Any], batch: int) -> tuple[Tensor, Tensor, Path]:
    """Images `(N, 3, H, W)`, labels `(N, H, W)` and path weights, the same for all variants."""
    device = case["device"]
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(batch, 3, *case["crop"], generator=draw).to(device)
    if case["variant"] != TWIN:
        images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (batch, *case["crop"]), generator=draw).to(device)
    rows = {}
    for choice in space.choices:
        scores = torch.randn(len(choice.options), batch, generator=draw)
        rows[choice.key] = torch.softmax(scores, dim=0).to(device).requires_grad_()
    return images, labels, Path(rows)


def step_of(network: nn.Module, images: Tensor, labels: Tensor, path: Path) -> Callable[[], float]:
    """One forward and backward pass, its gradients dropped; returns the loss."""
    device = images.device.type

    def step() -> float:
        with torch.autocast(device, torch.float16, enabled=device == "cuda"):
            logits = network(images, path)
        loss = F.cross_entropy(logits.float(), labels)
        (loss * (1024 if device == "cuda" else 1)).backward()
        network.zero_grad(set_to_none=True)
        for weights in path.values():
            weights.grad = None
        return float(loss.detach())

    return step


def timed(step: Callable[[], float], steps: int) -> list[float]:
    """Seconds of each of the steps; reading the loss waits for the device."""
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds


def status_bytes(field: str) -> int:
    """`VmRSS` or `VmHWM` of this process, in bytes."""
    for line in FilePath("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {field}; measure memory on Linux")


def freeze(network: nn.Module, case: dict[str, Any], kind: str) -> None:
    """In an architecture step our weights are frozen; the twin does what the official code does."""
    network.requires_grad_(kind == "weights" or case["variant"] == TWIN)


def on_cpu(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds and memory of one kind of step."""
    space = spaces[case["space"]]()
    network = build(space, case)
    freeze(network, case, case["kind"])
    step = step_of(network, *inputs(space, case, case["batch"]))
    FilePath("/proc/self/clear_refs").write_text(
        "5"
    )  # the high-water mark of building is not asked
    built = status_bytes("VmRSS")
    loss = step()
    return {
        "loss": loss,
        "seconds": timed(step, case["steps"]),
        "built_bytes": built,
        "peak_bytes": status_bytes("VmHWM"),
        "threads": torch.get_num_threads(),
    }


def on_gpu(case: dict[str, Any]) -> dict[str, Any]:
    """Both kinds of step at the given batch, where it fits, and at the largest that fits."""
    torch.backends.cudnn.benchmark = True
    space = spaces[case["space"]]()
    network = build(space, case)
    largest = largest_batch(lambda batch: step_of(network, *inputs(space, case, batch))())
    measured = []
    for batch in sorted({min(case["batch"], largest), largest}):
        entry: dict[str, Any] = {"batch": batch}
        for kind in ("weights", "architecture"):
            freeze(network, case, kind)
            torch.cuda.empty_cache()
            step = step_of(network, *inputs(space, case, batch))
            built = torch.cuda.memory_allocated()
            step()
            torch.cuda.reset_peak_memory_stats()
            seconds = timed(step, case["steps"])
            peak = torch.cuda.max_memory_allocated()
            entry[kind] = {"seconds": seconds, "built_bytes": built, "peak_bytes": peak}
            del step
        measured.append(entry)
    return {
        "gpu": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "largest_batch": largest,
        "measured": measured,
    }


def largest_batch(attempt: Callable[[int], object]) -> int:
    """The largest batch that fits, to one part in sixteen, by doubling and bisection."""

    def fits(batch: int) -> bool:
        try:
            attempt(batch)
        except torch.OutOfMemoryError:
            return False
        finally:
            torch.cuda.empty_cache()
        return True

    low, high = 0, LARGEST_BATCH + 1
    batch = 1
    while high - low > max(1, low // 16):
        low, high = (batch, high) if fits(batch) else (low, batch)
        batch = min(2 * low, LARGEST_BATCH) if high > LARGEST_BATCH else (low + high) // 2
    if low == 0:
        raise ValueError("not even one image fits on this GPU; choose a smaller crop")
    return low


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    print(json.dumps((on_gpu if arguments["device"] == "cuda" else on_cpu)(arguments)))
