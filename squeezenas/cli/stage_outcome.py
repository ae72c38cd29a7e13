"""What a finished stage leaves in its folder, and a finished run in its own."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from torch import Tensor

from squeezenas.core.model_card import Costs, ModelCard, Weights, read_model_card, write_model_card
from squeezenas.core.reading import read_json_lines
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.costs.latency import conditions, measure_latency
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.data.decode import read_sample
from squeezenas.data.frames import Frame
from squeezenas.report.confusion_matrix import draw_confusion_matrix
from squeezenas.report.curves import draw_curves
from squeezenas.report.overlays import draw_overlays
from squeezenas.tracking.environment import read_environments
from squeezenas.tracking.files import finite, write_text
from squeezenas.tracking.run import Run
from squeezenas.training.evaluation import evaluate
from squeezenas.training.figures import Evaluation
from squeezenas.training.fit import BEST, Fit
from squeezenas.training.stage import StageData
from squeezenas.training.start import CARD
from squeezenas.training.validation import validate
from squeezenas.zoo.scoring import predictions
from squeezenas.zoo.weights import save_weights

OVERLAYS = 4
WEIGHTS = "weights.safetensors"
SUMMARY = "summary.json"


def finished(place: Path) -> bool:
    """Whether the stage of this folder is done: its summary is written last."""
    return (place / SUMMARY).is_file()


def write_stage(run: Run, fit: Fit) -> None:
    """Writes weights, model card, tables, pictures and, last of all, `summary.json`.

    All processes score the network; the main one writes.

    Raises:
        OSError: a file cannot be written.
    """
    parts, network = fit.parts, fit.network
    data, process = parts.data, parts.process
    digest = ""
    if process.main:  # first of all: nothing that fails below shall cost the training
        digest = save_weights(run.folder / WEIGHTS, network, parts.model_card)
    evaluation: Evaluation | None = None
    if frames := _frames(data):
        evaluation = evaluate(
            network, frames, data.card, process,
            workers=parts.config.workers,  # in fp32, as `squeezenas evaluate` does
        )  # fmt: skip
    figures = (
        evaluation.figures() if evaluation else validate(network, parts, data.report, final=True)
    )
    if not process.main:
        return
    remarks = evaluation.remarks() if evaluation else []
    summary = {**_summary(fit, figures), "remarks": remarks}
    card = _card(fit, run.folder, summary, digest)
    write_model_card(run.folder / CARD, card)
    _draw(run, fit, evaluation)
    if evaluation:
        run.table("classes", evaluation.class_rows())
    run.artifact("model", run.folder / CARD, run.folder / WEIGHTS)
    run.finish(summary)
    print("\n".join([_sentences(fit, summary, run.folder), *remarks]), flush=True)


def _frames(data: StageData) -> list[Frame]:
    """The report split's frames; a stage that does not segment has none."""
    if isinstance(data.report, Tensor):
        return []
    return [sample for sample in data.report if isinstance(sample, Frame)]


def _summary(fit: Fit, figures: dict[str, float]) -> dict[str, Any]:
    parts, stage = fit.parts, fit.parts.stage
    return {
        "stage": parts.name,
        "dataset": parts.data.card.name,
        "split": stage.report or stage.validation,
        "figures": figures,
        "last_validation": fit.history[-1],
        "best_validation": fit.best,
        "epochs": stage.epochs,
        "steps": fit.step,
        "seed": parts.config.seed,
        "precision": parts.precision,
        "device": str(parts.process.device),
        "processes": parts.process.world_size,
        "device_hours": fit.seconds * parts.process.world_size / 3600,
        "start": str(parts.transfer) if parts.transfer else "fresh weights",
    }


def _card(fit: Fit, folder: Path, summary: dict[str, Any], digest: str) -> ModelCard:
    parts = fit.parts
    card = parts.model_card
    return card.model_copy(
        update={
            "name": f"{folder.parent.name}-{parts.name}",
            "description": f"{card.name} trained on {parts.data.card.title}.",
            "costs": _costs(fit),
            "weights": Weights(
                file=Path(WEIGHTS), sha256=digest, licence="that of the training data"
            ),
            "training": finite({parts.name: summary}),
        }
    )


def _costs(fit: Fit) -> Costs:
    """What the network costs for one image of the report split, latency on this device."""
    parts, network = fit.parts, fit.network
    if parts.data.card.task == "language":
        return Costs(parameters_millions=parameters(network))
    size = parts.stage.crop
    if frames := _frames(parts.data):
        height, width = read_sample(frames[0], parts.data.card)[0].shape[:2]
        size = (-(-height // 32) * 32, -(-width // 32) * 32)
    device = parts.process.device
    latency = measure_latency(network, (3, *size), device, parts.precision, seconds=1.0)
    named = conditions(device, parts.precision)
    return Costs(
        resolution=size,
        gmacs=gmacs(network, size),
        parameters_millions=parameters(network),
        latency_ms=latency.median,
        latency_device=f"{named['device']}, {named['runtime']}, {parts.precision}",
    )


def _draw(run: Run, fit: Fit, evaluation: Evaluation | None) -> None:
    parts, folder, card = fit.parts, run.folder, fit.parts.data.card
    draw_curves(folder / "curves.png", read_json_lines(folder / "metrics.jsonl"))
    names = ["curves"]
    if evaluation:
        counts = evaluation.confusion.counts.cpu().numpy()
        draw_confusion_matrix(folder / "confusion_matrix.png", counts, card.classes)
        first = _frames(parts.data)[:OVERLAYS]
        shown = predictions(fit.network, first, card, parts.task, parts.precision)
        draw_overlays(
            folder / "overlays.png", *shown, card.palette, card.classes, card.ignore_index
        )
        run.segments("report", *shown, card)
        names += ["confusion_matrix", "overlays"]
    for name in names:
        run.image(name, folder / f"{name}.png")


def write_model(folder: Path, config: RetrainConfig) -> None:
    """Writes `model.yaml` of the whole run: the last stage's network with what all stages found.

    Raises:
        OSError: it cannot be written.
    """
    places = [folder / f"{number}-{name}" for number, name in enumerate(config.regime.stages, 1)]
    cards = [read_model_card(place / CARD) for place in places]
    last, last_stage = cards[-1], list(config.regime.stages)[-1]
    assert last.weights is not None
    file = f"{places[-1].name}/{last.weights.file}"
    here = read_environments(places[-1] / "environment.json")[-1]
    stages = {name: value for card in cards for name, value in card.training.items()}
    training = {
        "stages": stages,
        "regime": config.regime.model_dump(mode="json"),
        "versions": {"python": here["python"], **here["libraries"]},
        "platform": here["platform"],
        "cpu": here["cpu"]["model"],
        "gpus": here.get("gpus", []),
        "command": _command(folder, config, stages[last_stage]["processes"]),
    }
    card = last.model_copy(
        update={
            "name": folder.name,
            "weights": last.weights.model_copy(update={"file": Path(file)}),
            "training": training,
        }
    )
    write_model_card(folder / CARD, card)
    write_text(folder / SUMMARY, json.dumps(finite(stages), indent=2) + "\n")
    print(f"model card: {folder / CARD}", flush=True)


def _command(folder: Path, config: RetrainConfig, processes: int) -> str:
    """The command that repeats the run, the network taken from this very card."""
    started = read_environments(folder / "environment.json")[0]["command"]
    own = ("models=", "seed=", "name=")  # a name may be given to one run only
    words = [word for word in started[1:] if word != "train" and not word.startswith(own)]
    program = ["torchrun", f"--nproc-per-node={processes}"] if processes > 1 else ["python"]
    return shlex.join([*program, "train.py", f"models={folder / CARD}", *words,
                       f"seed={config.seed}"])  # fmt: skip


def _sentences(fit: Fit, summary: dict[str, Any], folder: Path) -> str:
    headline, text = fit.parts.task.headline, fit.parts.task.figure.text
    last, best = summary["last_validation"], summary["best_validation"]
    kept = f" ({BEST})" if (folder / BEST).is_file() else ""
    return (
        f"{fit.parts.task.figure.label} on {summary['split']}: "
        f"{text(summary['figures'][headline])} (last epoch); validation {text(last[headline])} at "
        f"the last epoch, best {text(best[headline])} at epoch {best['epoch']}{kept}\n"
        f"{folder.name} took {summary['device_hours']:.3f} device-hours; everything is in {folder}"
    )
