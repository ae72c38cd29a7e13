"""`squeezenas benchmark`: latency, memory and accuracy of networks in every backend and precision.

All rows take an image's bytes and give its labels; of each backend that is the graph that
`predict` and `export` use. No latency of another precision stands alone: its IoU is beside it, or
that labels were not given.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from squeezenas.cli.benchmark_row import Case, measure
from squeezenas.cli.errors import sentence
from squeezenas.core.benchmark_config import ALL, BenchmarkConfig
from squeezenas.core.files import write_atomically
from squeezenas.core.model_card import ModelCard, read_model_card
from squeezenas.core.recipes import load_dataset
from squeezenas.data.frames import frames
from squeezenas.report.tradeoff import Point, draw_tradeoff
from squeezenas.runtimes.runtime import runtimes, usable
from squeezenas.tracking.environment import environment
from squeezenas.zoo.deployed import resolve
from squeezenas.zoo.weights import load_weights

REFERENCE = ("torch", "fp32")
INCOMPLETE = 1  # exit code: a row is missing

Row = dict[str, Any]


def main(config: BenchmarkConfig, files: Sequence[Path]) -> int:
    """Measures row by row, prints a table and writes the output folder.

    Args:
        config: the resolved configuration.
        files: its model cards.

    Returns:
        0, or 1 when the process of a row was killed.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
    """
    if config.output is not None:  # before the work rather than after it
        config.output.mkdir(parents=True, exist_ok=True)
    device = _device(config)
    remarks: list[str] = []
    chosen = ways(config, device, remarks)
    if config.datasets is not None:
        frames(config.datasets, config.split)  # a missing folder is told before any work
    subjects = _subjects(config, files, remarks)
    rows: list[Row] = []
    wide = max([len("network"), *(len(card.name) for card, _ in subjects)])
    print(header(wide), flush=True)
    killed = False
    for card, folder in subjects:
        dataset = config.datasets or load_dataset([f"datasets={card.dataset}"])
        with tempfile.TemporaryDirectory() as labels:
            for backend, precision in chosen:
                case = Case(
                    card, folder, dataset, backend, precision,
                    device if backend == "torch" else "cpu",
                    config, Path(labels) if config.datasets else None,
                )  # fmt: skip
                try:
                    rows.append(_in_a_process(case))
                except BrokenProcessPool:
                    killed = True
                    remarks.append(
                        f"{card.name}, {backend} {precision}: its process was killed, most likely "
                        "for want of memory; take a smaller size"
                    )
                    continue
                print(line(rows[-1], wide), flush=True)
                _write(config, rows, remarks)
    for remark in [*footer(rows), *remarks]:
        print(remark)
    if rows and config.output is not None:
        print(_draw(config, rows, files))
    return INCOMPLETE if killed else 0


def ways(config: BenchmarkConfig, device: str, remarks: list[str]) -> list[tuple[str, str]]:
    """Backends and precisions to measure; torch in fp32 first wherever labels are compared.

    Raises:
        ValueError: one that was asked for by name is not installed or does not exist.
    """
    found = []
    for backend in runtimes.names() if config.backend == ALL else [config.backend]:
        try:
            found += [(backend, precision) for precision in _precisions(config, backend, device)]
        except ValueError as error:
            if config.backend != ALL:
                raise
            remarks.append(f"left out: {error}")
    if not found:
        raise ValueError(f"precision={config.precision}: no backend here computes in it")
    if config.datasets is not None and REFERENCE not in found:
        found.append(REFERENCE)
    return sorted(found, key=lambda way: (way[0] != "torch", way[1] != "fp32"))


def _precisions(config: BenchmarkConfig, backend: str, device: str) -> list[str]:
    if config.precision == ALL:
        every = usable(backend, "fp32").precisions
        return [precision for precision in every if device == "cuda" or precision != "fp16"]
    usable(backend, config.precision)
    if backend == "torch":
        resolve(config.precision, torch.device(device))
    return [config.precision]


def _device(config: BenchmarkConfig) -> str:
    """Where torch runs."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: PyTorch sees no GPU here; use device=cpu")
    return "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"


def _subjects(
    config: BenchmarkConfig, files: Sequence[Path], remarks: list[str]
) -> list[tuple[ModelCard, Path | None]]:
    """The networks, and the folder of each one's weights or None for random ones.

    Raises:
        OSError, ValueError: one that was asked for by name cannot be measured.
    """
    found: list[tuple[ModelCard, Path | None]] = []
    for file in files:
        card = read_model_card(file)
        try:
            found.append((card, _weights_folder(card, file.parent, config, remarks)))
        except (OSError, ValueError) as error:
            if config.models != (ALL,):
                raise
            remarks.append(f"left out: {sentence(error)}")
    return found


def _weights_folder(
    card: ModelCard, folder: Path, config: BenchmarkConfig, remarks: list[str]
) -> Path | None:
    if card.task != "segmentation" or len(card.classes) > 256:
        raise ValueError(f"{card.name} does not segment into at most 256 classes; name another")
    if config.datasets is not None and card.classes != config.datasets.classes:
        raise ValueError(
            f"the classes of {card.name} are not those of datasets={config.datasets.name}; name "
            f"the data set it was trained on ({card.dataset})"
        )
    try:
        load_weights(card, folder)
    except (OSError, ValueError) as error:
        if config.datasets is not None:  # nothing to compare without them
            raise
        remarks.append(f"random weights: {sentence(error)}")
        return None
    return folder


def _in_a_process(case: Case) -> Row:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, case).result()


def header(wide: int) -> str:
    """The names of the columns, the first one so wide."""
    return (
        f"{'network':<{wide}}  {'backend':<11}  precision  {'ms':>8}  {'IQR':>6}  {'MiB':>6}"
        f"  {'GMACs':>7}  {'M params':>8}  IoU, labels equal to torch fp32"
    )


def line(row: Row, wide: int) -> str:
    """A row as the terminal shows it."""
    latency, memory = row["latency_ms"], row["peak_memory_mib"]
    score = row["accuracy"]
    if row["miou"] is not None:
        score = f"{100 * row['miou']:.2f} %, {100 * row['equal_labels']:.3f} %"
    return (
        f"{row['model']:<{wide}}  {row['backend']:<11}  {row['precision']:<9}"
        f"  {latency['median']:>8.1f}  {latency['iqr']:>6.1f}"
        f"  {'-' if memory is None else f'{memory:.0f}':>6}"
        f"  {row['gmacs']:>7.2f}  {row['parameters_millions']:>8.3f}  {score}"
    )


def footer(rows: Sequence[Row]) -> list[str]:
    """What the numbers are worth nothing without."""
    if not rows:
        return []
    first = rows[0]
    size = "x".join(map(str, first["size"]))
    found = [
        "",
        f"{size}, batch 1, bytes of an image in, labels out; median and interquartile range of "
        f"{first['latency_ms']['repeats']} runs after {first['latency_ms']['warmup']}; most memory "
        "its own process held",
    ]
    found += dict.fromkeys(
        f"{row['backend']} {row['version']}: {row['device']}, {row['threads']} threads"
        for row in rows
    )
    if first["miou"] is not None:
        found.append(f"IoU on {first['accuracy']}")
    if any(row["weights"] == "random" for row in rows):
        found.append(
            "with random weights the borders between labels are others, and with them the time "
            "of the last upsampling"
        )
    return found


def _write(config: BenchmarkConfig, rows: Sequence[Row], remarks: Sequence[str]) -> None:
    if config.output is None:
        return
    report = {
        "rows": rows,
        "remarks": remarks,
        "config": config.model_dump(mode="json", exclude_none=True),
        **environment(),
    }
    write_atomically(config.output / "benchmark.json", json.dumps(report, indent=1) + "\n")


def _draw(config: BenchmarkConfig, rows: Sequence[Row], files: Sequence[Path]) -> str:
    """Draws latency against IoU; says which files are in the output folder."""
    assert config.output is not None
    published = {card.name: card.published.get("class_iou") for card in map(read_model_card, files)}
    points = []
    for row in rows:
        score = published[row["model"]] if row["miou"] is None else 100 * row["miou"]
        # The published figure is of fp32: it says nothing of another precision.
        if score is not None and (row["miou"] is not None or row["precision"] == "fp32"):
            way = f"{row['backend']} {row['precision']}"
            latency = row["latency_ms"]
            points.append(Point(row["model"], way, latency["median"], latency["iqr"], score))
    told = f"benchmark.json is in {config.output}"
    if not points:
        return f"{told}; no picture: no network here has a measured or published IoU"
    score = "published IoU (%) of whole frames in float32, not measured here"
    if rows[0]["miou"] is not None:
        score = f"IoU (%) on {rows[0]['accuracy'].partition(', mean')[0]}"
    title = f"{'x'.join(map(str, config.size))}, {rows[0]['device']}, {rows[0]['threads']} threads"
    draw_tradeoff(config.output / "tradeoff.png", points, score, title)
    return f"benchmark.json and tradeoff.png are in {config.output}"
