"""An export that is compared with PyTorch on images before the file gets its name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard
from squeezenas.data.decode import Pixels, read_image
from squeezenas.data.frames import frames
from squeezenas.data.street_scenes.scene import draw_scene
from squeezenas.export.formats import RUNTIMES, write_graph
from squeezenas.export.metadata import metadata
from squeezenas.runtimes.runtime import open_file, usable
from squeezenas.zoo.build import build
from squeezenas.zoo.deployed import STRIDE
from squeezenas.zoo.graph import TRACED, Graph
from squeezenas.zoo.weights import load_into, read_weights, save_weights

EQUAL = 0.999  # share of labels that must be equal
CLOSE = 1e-3  # largest difference of logits, relative to the largest
IMAGES = 4
DRAWN = (96, 160)  # size of the streets drawn where the data set is not there


class Verified(NamedTuple):
    """How an exported file compares with the network: over how many images, and of which kind."""

    equal: float
    images: int
    source: str


def export(
    network: nn.Module,
    card: ModelCard,
    dataset: DatasetCard,
    path: Path,
    format: str,
    size: tuple[int, int] | Literal["dynamic"] = "dynamic",
    result: Literal["labels", "logits"] = "labels",
) -> Verified:
    """Writes a network, reads it back, and keeps the file if it answers as the network does.

    Args:
        network: with its weights, on the CPU; it is not changed.
        card: what it is.
        dataset: mean, deviation, classes and palette; frames to compare on, if they are there.
        path: the file; one that is there is replaced at the end.
        format: onnx, openvino, torch_export or safetensors.
        size: of the images, or any.
        result: labels or logits.

    Returns:
        The share of equal labels.

    Raises:
        ValueError: the format's library is missing, or the file answers something else.
        OSError: it cannot be written.
    """
    if format in RUNTIMES:
        usable(RUNTIMES[format], "fp32")
    path.parent.mkdir(parents=True, exist_ok=True)
    images, source = _images(dataset)
    if size != "dynamic":
        images = [cv2.resize(image, size[::-1]).astype(np.uint8, copy=False) for image in images]
    network = network.eval()
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        partial = Path(folder) / path.name
        if format == "safetensors":
            save_weights(partial, network, card)
            again = build(card).eval()
            load_into(again, read_weights(partial)[0])
            answers = [_reference(again, image, dataset).numpy() for image in images]
        else:
            graph = Graph(network, dataset.mean, dataset.std, result).eval()
            shape = TRACED if size == "dynamic" else (1, *size)
            example = torch.zeros((*shape, 3), dtype=torch.uint8)
            told = metadata(card, dataset)
            write_graph(partial, format, graph, example, size == "dynamic", told)
            run = open_file(RUNTIMES[format], partial)
            answers = [run(image[None])[0].copy() for image in images]
        wanted = [_reference(network, image, dataset) for image in images]
        equal = _compared(answers, wanted, path)
        for file in sorted(Path(folder).iterdir()):  # .bin before the .xml that needs it
            _flush(file)
            os.replace(file, path.parent / file.name)
    return Verified(equal, len(images), source)


def _images(dataset: DatasetCard) -> tuple[list[Pixels], str]:
    """Some frames of the data set, or drawn streets where it is not on this machine."""
    split = "val" if "val" in dataset.splits else next(iter(dataset.splits))
    try:
        if dataset.layout != "street_scenes":
            members = frames(dataset, split)
            chosen = members[:: max(1, len(members) // IMAGES)][:IMAGES]
            return [read_image(frame.image) for frame in chosen], f"frames of {dataset.name}"
    except (ValueError, OSError):
        pass  # it is not needed
    drawn = [draw_scene(*DRAWN, np.random.default_rng(seed))[0] for seed in range(IMAGES)]
    return drawn, "drawn street scenes"


@torch.inference_mode()
def _reference(network: nn.Module, image: Pixels, dataset: DatasetCard) -> Tensor:
    """Logits `(classes, H, W)` the plain way, by none of the code that is exported."""
    height, width = image.shape[:2]
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (dataset.mean, dataset.std))
    bottom, right = (-side % STRIDE for side in (height, width))
    padded = nn.functional.pad((x - mean) / std, (0, right, 0, bottom))
    logits: Tensor = network(padded)[0, :, :height, :width]
    return logits


def _compared(answers: Sequence[NDArray[Any]], wanted: Sequence[Tensor], path: Path) -> float:
    """The share of equal labels.

    Raises:
        ValueError: too few are equal, or logits differ too much.
    """
    equal = total = 0
    for answer, logits in zip(answers, wanted, strict=True):
        labels = logits.argmax(0).numpy()
        if answer.ndim == 3:
            worst = float(np.abs(answer - logits.numpy()).max() / logits.abs().max())
            if not worst <= CLOSE:
                raise ValueError(
                    f"{path} is not kept: its logits differ from PyTorch's by {worst:.1e} of the "
                    "largest; use another format or version of its library"
                )
            answer = answer.argmax(0)
        equal += int((answer == labels).sum())
        total += labels.size
    if equal < EQUAL * total:
        raise ValueError(
            f"{path} is not kept: {100 * equal / total:.2f} % of its labels are those of PyTorch, "
            f"at least {100 * EQUAL} % must be; use another format or version of its library"
        )
    return equal / total


def _flush(file: Path) -> None:
    """To the disk before it gets its name, readable by whom the user lets read."""
    umask = os.umask(0)
    os.umask(umask)
    file.chmod(0o666 & ~umask)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
