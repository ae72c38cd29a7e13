"""From the bytes of a frame to its label map: milliseconds, equal labels and mIoU of every way.

    python -m benchmarks.inference --root FOLDER --output benchmarks/results/inference_cpu.json

`--root` holds Cityscapes; its val frames are predicted. Every way runs in processes of its own
that take turns, so that no library's idle threads take cores from another. The first way is what a
user writes without this package: the eager float32 network on a normalised image, and `argmax(1)`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from squeezenas.core.files import write_atomically
from squeezenas.tracking.environment import environment

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS = ("squeezenas_mac_small", "squeezenas_lat_small")
WAYS = (
    "eager fp32",
    "folded fp32",
    "deployed fp32",
    "deployed bf16",
    "onnxruntime fp32",
    "openvino fp32",
    "openvino bf16",
)

Found = dict[str, Any]
Predict = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def prepared(way: str, model: str, weights: Path | None, shape: tuple[int, ...]) -> Predict:
    """Images `(1, H, W, 3)` to labels `(1, H, W)`, in one of the ways."""
    import torch

    from squeezenas.core.recipes import find, load_dataset, load_model
    from squeezenas.nn.fold import folded
    from squeezenas.runtimes.runtime import compile
    from squeezenas.zoo.build import build
    from squeezenas.zoo.convert import read_official
    from squeezenas.zoo.deployed import Deployed
    from squeezenas.zoo.graph import Graph
    from squeezenas.zoo.weights import load_into, load_weights

    card, data = load_model(model), load_dataset(["datasets=cityscapes"])
    network = build(card).eval()
    if weights is None:
        load_into(network, load_weights(card, find("models", model).parent))
    else:
        load_into(network, read_official(weights / f"{model.removeprefix('squeezenas_')}.pth"))
    kind, precision = way.split()
    threads = torch.get_num_threads()
    example = torch.zeros(shape, dtype=torch.uint8)
    if kind == "deployed":
        module: torch.nn.Module = Deployed(network, data.mean, data.std, precision=precision)
        return compile("torch", module, example)
    if kind in ("onnxruntime", "openvino"):
        module = Graph(network, data.mean, data.std).eval()
        return compile(kind, module, example, precision, threads)
    if kind == "folded":
        network = folded(network)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (data.mean, data.std))

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std
        if kind == "eager":
            x = x.contiguous()
        labels: NDArray[np.uint8] = network(x).argmax(1).to(torch.uint8).numpy()
        return labels

    return run


def case(settings: Found) -> Found:
    """One process: labels of all frames when asked, and milliseconds of the first."""
    from squeezenas.core.recipes import load_dataset
    from squeezenas.data.decode import read_frame
    from squeezenas.data.frames import frames

    card = load_dataset(["datasets=cityscapes", f"datasets.root={settings['root']}"])
    pairs = [read_frame(frame, card) for frame in frames(card, "val")[: settings["frames"]]]
    first = pairs[0][0][None]
    weights = Path(settings["weights"]) if settings["weights"] else None
    run = prepared(settings["way"], settings["model"], weights, first.shape)
    if settings["labels"]:
        np.save(settings["labels"], np.stack([run(image[None])[0].copy() for image, _ in pairs]))
    for _ in range(2):
        run(first)
    laps = []
    for _ in range(settings["laps"]):
        start = perf_counter()
        run(first)
        laps.append(1e3 * (perf_counter() - start))
    return {"laps": laps}


def in_process(settings: Found, threads: int) -> Found:
    """`case` in a fresh process."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.inference", "--case", json.dumps(settings)],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "THP_MEM_ALLOC_ENABLE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Found = json.loads(answer.stdout.splitlines()[-1])
    return found


def scores(labels: NDArray[np.uint8], root: Path) -> float:
    """MIoU of present classes, in percent, against the labels of the frames."""
    import torch

    from squeezenas.core.recipes import load_dataset
    from squeezenas.data.decode import read_mask
    from squeezenas.data.frames import frames
    from squeezenas.tasks.confusion import ConfusionMatrix

    card = load_dataset(["datasets=cityscapes", f"datasets.root={root}"])
    confusion = ConfusionMatrix(card.num_classes, card.ignore_index, torch.device("cpu"))
    for found, frame in zip(labels, frames(card, "val"), strict=False):
        mask = torch.from_numpy(read_mask(frame.mask, card))
        confusion.update(mask[None], torch.from_numpy(found)[None])
    return 100 * confusion.present_miou()


def measured(model: str, arguments: argparse.Namespace, folder: Path) -> Found:
    """All ways of one network, taking turns."""
    laps: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(arguments.rounds):
        for way in WAYS:
            file = folder / f"{model} {way}.npy"
            settings = {
                "way": way, "model": model, "root": str(arguments.root), "laps": arguments.laps,
                "frames": arguments.frames, "labels": "" if turn else str(file),
                "weights": str(arguments.weights or ""),
            }  # fmt: skip
            laps[way] += in_process(settings, arguments.threads)["laps"]
    plain = np.load(folder / f"{model} {WAYS[0]}.npy")
    rows = {}
    for way in WAYS:
        labels = np.load(folder / f"{model} {way}.npy")
        low, high = np.percentile(laps[way], (25, 75))
        rows[way] = {
            "ms_median": median(laps[way]),
            "ms_min": min(laps[way]),
            "ms_iqr": high - low,
            "speed": median(laps[WAYS[0]]) / median(laps[way]),
            "speed_of_fastest": min(laps[WAYS[0]]) / min(laps[way]),
            "equal_labels": float((labels == plain).mean()),
            "miou": scores(labels, arguments.root),
            "laps": laps[way],
        }
    return {"frames": len(plain), "size": list(plain.shape[1:]), "ways": rows}


def table(model: str, found: Found) -> str:
    """What a terminal shows of one network."""
    lines = [
        f"{model}, {found['size'][0]}x{found['size'][1]}, {found['frames']} frames",
        f"  {'':18}{'median ms':>10}{'min ms':>9}{'speed':>8}{'equal labels':>14}{'mIoU':>8}",
    ]
    for way, row in found["ways"].items():
        lines.append(
            f"  {way:18}{row['ms_median']:10.1f}{row['ms_min']:9.1f}{row['speed']:7.2f}x"
            f"{100 * row['equal_labels']:13.3f}%{row['miou']:8.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", type=Path, help="folder of Cityscapes")
    parser.add_argument(
        "--weights", type=Path, help="folder of official .pth files, if not fetched"
    )
    parser.add_argument("--rounds", type=int, default=3, help="processes of each way")
    parser.add_argument("--laps", type=int, default=10, help="timed runs in each process")
    parser.add_argument("--frames", type=int, default=None, help="val frames that are predicted")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, help="JSON file for everything measured")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(case(arguments.case)))
        return
    if arguments.root is None:
        parser.error("name the folder of Cityscapes with --root FOLDER")
    arguments.root = arguments.root.resolve()
    arguments.weights = arguments.weights and arguments.weights.resolve()
    here = environment()
    report: Found = {
        **{key: here[key] for key in ("date", "python", "platform", "libraries", "cpu", "git")},
        "runtimes": {name: version(name) for name in ("torch", "onnxruntime", "openvino")},
        "threads": arguments.threads,
        "load_at_start": os.getloadavg(),
        "baseline": WAYS[0],
        "models": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            report["models"][model] = measured(model, arguments, Path(folder))
            print(table(model, report["models"][model]), flush=True)
            if arguments.output:
                arguments.output.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(arguments.output, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
