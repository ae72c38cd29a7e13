"""Images a second from files to batches: our loader against a plain PyTorch pipeline.

    python -m benchmarks.loading --camvid FOLDER --cityscapes FOLDER \
        --output benchmarks/results/loading_cpu.json

What is compared and how to read it: `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from squeezenas.core.config import Augmentation, Size
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.files import write_atomically
from squeezenas.core.recipes import load_dataset
from squeezenas.data.frames import Frame, frames
from squeezenas.data.loaders import TrainingStream
from squeezenas.data.transforms import training_transform
from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.tracking.environment import environment

WORKERS = 2
COLOUR = 0.2
PREFETCHED = 4  # batches that our loader makes ahead in each worker
PAUSE = 3.0  # seconds; the others' workers fill their queues and fall asleep

CASES: dict[str, dict[str, Any]] = {
    "camvid": {"crop": (160, 224), "scale": (0.4, 1.0), "batch": 8, "images": 360},
    "cityscapes": {"crop": (768, 768), "scale": (0.5, 2.0), "batch": 4, "images": 80},
}


class Plain(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """What tutorials do: decode with Pillow, resize image and mask whole, jitter, pad, crop."""

    def __init__(self, members: list[Frame], card: DatasetCard, crop: Size, scale: Size) -> None:
        import_torchvision()
        from torchvision import transforms

        self.members, self.card, self.crop, self.scale = members, card, crop, scale
        self.jitter = transforms.ColorJitter(COLOUR, COLOUR, COLOUR, COLOUR / 4)
        self.ids = np.full(256, card.ignore_index, np.uint8)
        self.ids[list(card.train_ids)] = list(card.train_ids.values())

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms import functional as F

        frame = self.members[index]
        image = Image.open(frame.image).convert("RGB")
        mask = Image.fromarray(self.ids[np.asarray(Image.open(frame.mask))])
        factor = random.uniform(*self.scale)
        size = [round(side * factor) for side in (image.height, image.width)]
        image = F.resize(image, size, InterpolationMode.BILINEAR)
        mask = F.resize(mask, size, InterpolationMode.NEAREST)
        image = self.jitter(image)
        right, below = (max(0, self.crop[axis] - size[axis]) for axis in (1, 0))
        image = F.pad(image, [0, 0, right, below])
        mask = F.pad(mask, [0, 0, right, below], fill=self.card.ignore_index)
        top = random.randint(0, mask.height - self.crop[0])
        left = random.randint(0, mask.width - self.crop[1])
        image, mask = (F.crop(one, top, left, *self.crop) for one in (image, mask))
        if random.random() < 0.5:
            image, mask = F.hflip(image), F.hflip(mask)
        pixels = F.normalize(F.to_tensor(image), self.card.mean, self.card.std)
        return pixels, torch.from_numpy(np.array(mask)).long()


def plain(card: DatasetCard, members: list[Frame], case: dict[str, Any]) -> Iterator[float]:
    """Seconds of one epoch at each `next`; a `DataLoader` starts its workers anew for each."""
    dataset = Plain(members, card, case["crop"], case["scale"])
    loader = DataLoader(dataset, case["batch"], shuffle=True, drop_last=True, num_workers=WORKERS)
    while True:
        started = time.perf_counter()
        for _ in loader:
            pass
        yield time.perf_counter() - started


def ours(
    card: DatasetCard, members: list[Frame], case: dict[str, Any], cache: Any, folder: Path
) -> Iterator[float]:
    """Seconds of one epoch at each `next`; batches made ahead of it do not count."""
    augment = training_transform(
        Augmentation(scale=case["scale"], colour=COLOUR), case["crop"], card
    )
    stream = TrainingStream(
        members, card, augment, case["batch"], 0, WORKERS, cache=cache, cache_folder=folder
    )
    batches = stream.batches()
    ahead = 0
    while True:
        for _ in islice(batches, ahead):
            pass
        started = time.perf_counter()
        for _ in islice(batches, len(members) // case["batch"]):
            pass
        yield time.perf_counter() - started
        ahead = WORKERS * PREFETCHED


def measure(epochs: dict[str, Iterator[float]], images: int, rounds: int) -> dict[str, Any]:
    """Images a second of each variant, taking turns; the first round finds nothing cached."""
    rates: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(rounds + 1):
        for name, epoch in epochs.items():
            time.sleep(PAUSE)
            rates[name].append(images / next(epoch))
    found: dict[str, Any] = {}
    for name, (first, *warm) in rates.items():
        found[name] = {"first": first, "warm": warm, "median": median(warm)}
    for name in found:
        found[name]["speed"] = found[name]["median"] / found["plain"]["median"]
        found[name]["speed_first"] = found[name]["first"] / found["plain"]["first"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--camvid", type=Path, help="folder of CamVid; omitted: left out")
    parser.add_argument("--cityscapes", type=Path, help="folder of Cityscapes; omitted: left out")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each variant after one")
    parser.add_argument("--output", type=Path, help="JSON file for everything measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    here = environment()
    report: dict[str, Any] = {
        **{key: here[key] for key in ("date", "python", "platform", "libraries", "cpu", "git")},
        "workers": WORKERS,
        "load_at_start": os.getloadavg(),
        "cases": {},
    }
    for name, case in CASES.items():
        root = getattr(arguments, name)
        if root is None:
            continue
        card = load_dataset([f"datasets={name}", f"datasets.root={root}"])
        present = frames(card, "train")
        case["frames"] = min(len(present), case["images"])
        # A handful of Cityscapes frames is shown several times an epoch, as a whole set would be.
        members = (present * (1 + case["images"] // len(present)))[: case["images"]]
        with tempfile.TemporaryDirectory() as folder:
            variants: dict[str, Iterator[float]] = {"plain": plain(card, members, case)}
            for cache in caches_of(name):
                variants[cache] = ours(card, members, case, cache, Path(folder))
            found = measure(variants, case["images"], arguments.rounds)
            variants.clear()
        report["cases"][name] = {**case, "variants": found}
        for variant, row in found.items():
            print(
                f"{name:12}{variant:8}{row['median']:9.1f} images/s, {row['speed']:5.1f}x; "
                f"first epoch {row['first']:7.1f}, {row['speed_first']:5.1f}x",
                flush=True,
            )
        if arguments.output:
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(arguments.output, json.dumps(report, indent=1) + "\n")


def caches_of(name: str) -> tuple[str, ...]:
    """`auto` is off for the whole of Cityscapes, 24 GB decoded, so that is what is measured."""
    return ("auto", "disk", "off") if name == "camvid" else ("disk", "off")


if __name__ == "__main__":
    main()
