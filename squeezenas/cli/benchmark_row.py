"""One row of `squeezenas benchmark`: what is measured in a process of its own.

Threads, caches and peak memory are those of this row alone, and no library's idle threads take
cores from another.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from squeezenas.core.benchmark_config import BenchmarkConfig
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard
from squeezenas.costs.latency import device_name, timed, version
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.data.decode import Pixels, read_frame, read_image
from squeezenas.data.frames import Frame, frames
from squeezenas.data.street_scenes.scene import draw_scene
from squeezenas.runtimes.runtime import Run, compile
from squeezenas.tasks.confusion import ConfusionMatrix
from squeezenas.zoo.build import build
from squeezenas.zoo.deployed import STRIDE, Deployed
from squeezenas.zoo.graph import Graph
from squeezenas.zoo.weights import load_into, load_weights

WARMUP = 3
CPU = torch.device("cpu")
GRAPHS = {
    "torch": "squeezenas.zoo.deployed: bytes (1, H, W, 3) in, labels (1, H, W) out",
    "exported": "squeezenas.zoo.graph: bytes (1, H, W, 3) in, labels (1, H, W) out",
}


class Case(NamedTuple):
    """What a row measures.

    Args:
        card: the network.
        folder: where its weights are; None for random ones.
        dataset: mean and deviation; with `labels`, the frames too.
        backend: torch, onnxruntime or openvino.
        precision: fp32, bf16 or fp16.
        device: where it runs, `cpu` or `cuda`.
        config: size, threads, repeats, split and frames.
        labels: a folder for label maps: the first row of a network writes its own there, the others
            are compared with them. None: labels are not given.
    """

    card: ModelCard
    folder: Path | None
    dataset: DatasetCard
    backend: str
    precision: str
    device: str
    config: BenchmarkConfig
    labels: Path | None


def measure(case: Case) -> dict[str, Any]:
    """Latency, memory, costs and accuracy of a network in one backend and precision.

    Raises:
        FileNotFoundError, OSError: weights or frames cannot be read.
        ValueError: the weights do not fit, or frames are of another size than the benchmark's.
    """
    config, device = case.config, torch.device(case.device)
    threads = config.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = build(case.card).eval()
    if case.folder is not None:
        load_into(network, load_weights(case.card, case.folder))
    height, width = (side + -side % STRIDE for side in config.size)
    counted = {
        "gmacs": gmacs(network, (height, width)),
        "parameters_millions": parameters(network),
    }
    image = _image(case)
    run = _run(network, case, threads)
    del network
    _forget_peak()
    latency = timed(partial(run, image[None]), CPU, 0, WARMUP, config.repeats)  # labels come to it
    return {
        "model": case.card.name,
        "backend": case.backend,
        "version": version(case.backend),
        "graph": GRAPHS["torch" if case.backend == "torch" else "exported"],
        "precision": case.precision,
        "device": device_name(device),
        "threads": threads,
        "batch": 1,
        "size": list(config.size),
        "weights": "random" if case.folder is None else "trained",
        "latency_ms": {**asdict(latency), "warmup": WARMUP},
        "peak_memory_mib": _peak(),
        "peak_gpu_memory_mib": _gpu_peak() if device.type == "cuda" else None,
        **counted,
        **_accuracy(run, case),
    }


def _run(network: torch.nn.Module, case: Case, threads: int) -> Run:
    mean, std, example = case.dataset.mean, case.dataset.std, torch.zeros((1, *case.config.size, 3))
    if case.backend == "torch":
        deployed = Deployed(network, mean, std, precision=case.precision, device=case.device)
        return compile("torch", deployed, example.byte())
    graph = Graph(network, mean, std).eval()
    return compile(case.backend, graph, example.byte(), case.precision, threads)


def _image(case: Case) -> Pixels:
    """A frame, or a drawn street: where labels change, more is computed, so noise will not do."""
    if case.labels is not None:
        frame = frames(case.dataset, case.config.split)[0]
        return _of_size(read_image(frame.image), frame, case.config)
    return draw_scene(*case.config.size, np.random.default_rng(0))[0]


def _of_size(image: Pixels, frame: Frame, config: BenchmarkConfig) -> Pixels:
    shape, wanted = image.shape[:2], config.size
    if shape != wanted:
        told = "size=[{},{}]".format(*shape)
        raise ValueError(f"{frame.image} is not of size={list(wanted)}; give {told}")
    return image


def _accuracy(run: Run, case: Case) -> dict[str, Any]:
    """IoU, and the share of pixels that are labelled as by torch in fp32."""
    if case.labels is None:
        return {"accuracy": "labels not given", "miou": None, "equal_labels": None}
    card, config = case.dataset, case.config
    confusion = ConfusionMatrix(card.num_classes, card.ignore_index, CPU)
    members = frames(card, config.split)
    members = members[: config.frames or len(members)]
    equal = total = 0
    for number, frame in enumerate(members):
        image, mask = read_frame(frame, card)
        labels = run(_of_size(image, frame, config)[None])[0].copy()
        confusion.update(torch.from_numpy(mask)[None], torch.from_numpy(labels)[None])
        file = str(case.labels / f"{number}.png")
        if (case.backend, case.precision) == ("torch", "fp32"):
            cv2.imwrite(file, labels)
        equal += int((labels == cv2.imread(file, cv2.IMREAD_UNCHANGED)).sum())
        total += labels.size
    told = f"{card.name}, {config.split}, {len(members)} frames, mean IoU as cityscapesScripts"
    return {"accuracy": told, "miou": confusion.miou(), "equal_labels": equal / total}


def _forget_peak() -> None:
    """What building and exporting needed for a moment is not what running needs."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # not Linux, or not allowed: the peak then includes it
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM


def _peak() -> float | None:
    """The most memory this process has held since, in MiB; None where Linux does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def _gpu_peak() -> float:
    return torch.cuda.max_memory_allocated() / 2**20
