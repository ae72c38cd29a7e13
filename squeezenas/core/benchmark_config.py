"""The schema of a benchmark: which networks, in what, and on which labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf
from pydantic import Field

from squeezenas.core.config import Size, Strict
from squeezenas.core.dataset_card import DatasetCard, SplitName
from squeezenas.core.overrides import merge, parse
from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import cards, find, origin_of
from squeezenas.core.validation import validated

ALL = "all"
SEGMENTATION = "segmentation"


class BenchmarkConfig(Strict):
    """What is timed, and how accurate it is shown to be."""

    models: tuple[str, ...]
    """all that segment, or cards with commas between them: `models=<card>,<card>`."""
    size: Size = (1024, 2048)
    """Height and width of the image; with labels, of all frames."""
    backend: Literal["all", "torch", "onnxruntime", "openvino"] = "all"
    """What runs the networks; all: those that are installed."""
    precision: Literal["all", "fp32", "bf16", "fp16"] = "all"
    """Arithmetic of the networks; all: every one that backend and device have."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where torch runs; auto: a GPU when there is one. The others run on the CPU."""
    threads: int = Field(0, ge=0)
    """CPU threads; 0: as many as torch takes."""
    repeats: int = Field(20, ge=3)
    """Timed runs of each row, after 3 that are not counted."""
    split: SplitName = "val"
    """The split whose labels are compared with."""
    frames: int = Field(0, ge=0)
    """Compare on so many frames of the split; 0: all."""
    output: Path | None = None
    """Folder for benchmark.json and tradeoff.png; omitted: only printed."""
    datasets: DatasetCard | None = None
    """Labels to compare with, `datasets=<card>`; omitted: latency without IoU."""


def load_benchmark(arguments: Sequence[str]) -> tuple[BenchmarkConfig, tuple[Path, ...]]:
    """The configuration from arguments like `models=all size=[512,1024] output=FOLDER`.

    Returns:
        The configuration, and the files of its model cards.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, ["models", "datasets"])
    known = list(cards("models"))
    if "models" not in request.cards:
        raise ValueError(f"name networks with models=all or CARD,CARD; known: {', '.join(known)}")
    asked = request.cards["models"]
    content: dict[str, Any] = {}
    dataset = request.cards.get("datasets")
    files = {"datasets": find("datasets", dataset)} if dataset else {}
    for section, file in files.items():
        content[section] = read_yaml(file)
    origin = origin_of(request, files)
    merged = merge(OmegaConf.create(content), request.values, origin)
    if "models" in merged:
        raise ValueError("models: several cards may be named here, so none is changed; edit a copy")
    merged["models"] = asked.split(",")
    config = validated(BenchmarkConfig, merged, origin)
    every = config.models == (ALL,)
    names = known if every else config.models
    named = {
        file: read_yaml(file).get("task", SEGMENTATION)
        for file in (find("models", name) for name in names)
    }
    if other := [file.stem for file, task in named.items() if task != SEGMENTATION and not every]:
        raise ValueError(f"models={other[0]}: only networks that segment are timed; name another")
    return config, tuple(file for file, task in named.items() if task == SEGMENTATION)
