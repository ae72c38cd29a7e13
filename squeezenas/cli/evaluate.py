"""`squeezenas evaluate`: the figures of a network, or of predictions that are files."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import torch

from squeezenas.cli.trained import trained_network
from squeezenas.core.evaluate_config import EvaluateConfig
from squeezenas.core.files import write_atomically
from squeezenas.data.frames import frames
from squeezenas.engine import precision
from squeezenas.engine.distributed import Process, start, stop, wait
from squeezenas.report.confusion_matrix import draw_confusion_matrix
from squeezenas.tracking.environment import environment
from squeezenas.tracking.lineage import Lineage, descent
from squeezenas.tracking.secrets import masked
from squeezenas.tracking.sink import Sinks, Start
from squeezenas.training.evaluation import evaluate, evaluate_predictions
from squeezenas.training.figures import Evaluation, Row

MEANS = {
    "miou": "mean IoU, as cityscapesScripts",
    "present_miou": "mean IoU of present classes",
    "iiou": "mean iIoU",
    "category_miou": "mean IoU of categories",
    "category_iiou": "mean iIoU of categories",
    "class_accuracy": "mean accuracy of classes",
    "pixel_accuracy": "pixel accuracy",
}


def main(config: EvaluateConfig, folder: Path) -> int:
    """Evaluates, prints a table and writes the output folder; the exit code is 0.

    Args:
        config: the resolved configuration.
        folder: where the weights of the model card are.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.output is not None:  # before the work rather than after it
        config.output.mkdir(parents=True, exist_ok=True)
    if config.predictions is not None:
        members = frames(config.datasets, config.split)
        _show(
            evaluate_predictions(
                config.predictions, members, config.datasets, config.ids, progress=True
            ),
            config,
        )
        return 0
    process = start(config.device)
    try:
        found = _evaluate(config, folder, process)
        if process.main:
            _show(found, config)
    finally:
        stop()
    return 0


def _evaluate(config: EvaluateConfig, folder: Path, process: Process) -> Evaluation:
    assert config.models is not None
    network = trained_network(config.models, folder).to(process.device)
    if process.main:
        frames(config.datasets, config.split)  # draws a generated data set, once
    wait()
    return evaluate(
        network,
        frames(config.datasets, config.split),
        config.datasets,
        process,
        precision=precision.resolve(config.precision, process.device),
        flip=config.flip,
        scales=config.scales,
        workers=config.workers,
        predictions=_predictions_folder(config),
        progress=True,
    )


def _predictions_folder(config: EvaluateConfig) -> Path | None:
    if config.output is None or not config.save_predictions:
        return None
    return config.output / "predictions"


def _show(found: Evaluation, config: EvaluateConfig) -> None:
    print(table(found))
    if config.output is None:
        return
    _write(found, config, config.output)
    _track(found, config, config.output)
    print(f"scores.json, classes.csv and confusion_matrix.png are in {config.output}")


def table(found: Evaluation) -> str:
    """Classes, categories and means in percent, and what a reader must know of them."""
    names = [*found.card.classes, *found.card.categories, *MEANS.values()]
    wide = max(map(len, names)) + 1
    lines = [f"{'class':<{wide}}{'IoU':>8}{'iIoU':>8}{'accuracy':>10}{'share of pixels':>17}"]
    rows = found.class_rows()
    pixels = max(1, sum(int(row["labelled_pixels"]) for row in rows))
    for row in rows:
        share = int(row["labelled_pixels"]) / pixels
        lines.append(
            f"{row['class']:<{wide}}{_percent(row['iou']):>8}{_percent(row['iiou']):>8}"
            f"{_percent(row['accuracy']):>10}{_percent(share):>17}"
        )
    if found.card.categories:
        lines += ["", f"{'category':<{wide}}{'IoU':>8}{'iIoU':>8}"]
        lines += [
            f"{row['category']:<{wide}}{_percent(row['iou']):>8}{_percent(row['iiou']):>8}"
            for row in found.category_rows()
        ]
    figures = found.figures()
    lines += ["", f"over {found.frames} frames, in percent:"]
    lines += [f"{MEANS[k]:<{wide}}{_percent(figures[k]):>8}" for k in MEANS if k in figures]
    return "\n".join([*lines, *found.remarks()])


def _percent(score: str | int | float) -> str:
    return "-" if math.isnan(float(score)) else f"{100 * float(score):.2f}"


def _write(found: Evaluation, config: EvaluateConfig, output: Path) -> None:
    rows = found.class_rows()
    weights = config.models.weights if config.models else None
    scores = {
        **found.figures(),
        "frames": found.frames,
        "remarks": found.remarks(),
        "classes": rows,
        "categories": found.category_rows(),
        "confusion": found.confusion.counts.tolist(),
        "weights_sha256": weights.sha256 if weights else None,
        "config": config.model_dump(mode="json", exclude_none=True),
        **environment(),
    }
    write_atomically(output / "scores.json", json.dumps(_plain(scores), indent=1) + "\n")
    write_atomically(output / "classes.csv", _csv(rows))
    headline = f"{found.card.title}, {config.split}: mean IoU {_percent(found.figures()['miou'])} %"
    counts = found.confusion.counts.cpu().numpy()
    draw_confusion_matrix(output / "confusion_matrix.png", counts, found.card.classes, headline)


def _track(found: Evaluation, config: EvaluateConfig, output: Path) -> None:
    """Shows what was written where `tracking` says."""
    lineage = Lineage("evaluate", output.name)
    if config.models:
        lineage = descent(config.models, "evaluate", output.name)
    content = masked(config.model_dump(mode="json", exclude={"tracking", "wandb"}))
    start = Start(output, content, 0, lineage, wandb=config.wandb)
    figures = {f"{config.split}/{name}": value for name, value in found.figures().items()}
    rows = _plain(found.class_rows())
    shown = Sinks(config.tracking, lambda name: start)
    shown.each(lambda sink: sink.log(figures, 0))
    shown.each(lambda sink: sink.table("classes", rows, 0))
    shown.each(lambda sink: sink.image("confusion_matrix", output / "confusion_matrix.png", 0))
    shown.each(lambda sink: sink.summary({"frames": found.frames, **found.figures()}))
    shown.each(lambda sink: sink.finish("done"))


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_plain(rows))
    return text.getvalue()


def _plain(value: Any) -> Any:
    """None where a figure is not defined: JSON has no NaN, and a CSV cell stays empty."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
