"""What a finished search leaves in its run folder: model card, tables, pictures, summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from squeezenas.core.model_card import Costs, ModelCard, write_model_card
from squeezenas.costs.latency import Latency, measure_latency, placed
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.report.architecture import draw_architecture
from squeezenas.report.curves import draw_curves
from squeezenas.report.overlays import draw_overlays
from squeezenas.report.pareto import draw_pareto
from squeezenas.report.probabilities import draw_probabilities
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from squeezenas.search.select import Selection, as_rows
from squeezenas.search.setup import Search
from squeezenas.tracking.run import Run

OVERLAYS = 4


def write_outcome(
    run: Run, searching: OneShotSearch, scorer: InheritedWeights, selection: Selection
) -> None:
    """Writes `architecture.yaml`, `candidates.csv`, `probabilities.json`, pictures, `summary.json`.

    Raises:
        OSError: a file cannot be written.
    """
    parts = searching.parts
    overlays = scorer.predictions(selection.chosen.architecture, OVERLAYS)
    if not parts.process.main:
        return
    rows = as_rows(selection, parts.space.write)
    run.table("candidates", rows)
    run.write_text("probabilities.json", json.dumps(searching.history) + "\n")
    latency = _measured(parts, selection)
    card = _card(parts, selection, run.folder, latency)
    write_model_card(run.folder / "architecture.yaml", card)
    run.artifact(run.folder / "architecture.yaml", "architecture")
    summary = _summary(searching, selection, latency)
    _draw(run, parts, searching, card, rows)
    draw_overlays(
        run.folder / "overlays.png", *overlays,
        parts.config.datasets.palette, card.classes, parts.config.datasets.ignore_index,
    )  # fmt: skip
    for name in ("architecture", "probabilities", "pareto", "curves", "overlays"):
        run.image(name, run.folder / f"{name}.png")
    run.finish(summary)
    print(_sentences(summary, run.folder))


def _measured(parts: Search, selection: Selection) -> Latency | None:
    """The whole chosen network timed here, when the search was for latency."""
    regime, process = parts.config.regime, parts.process
    if parts.cost.kind != "latency":
        return None
    network = parts.space.network(selection.chosen.architecture, parts.task.classes, regime.head)
    device, precision = placed(regime.cost.runtime, process.device, parts.precision)
    size = (3, *regime.cost.resolution)
    return measure_latency(network, size, device, precision, runtime=regime.cost.runtime)


def _card(parts: Search, selection: Selection, folder: Path, latency: Latency | None) -> ModelCard:
    chosen, regime, config = selection.chosen, parts.config.regime, parts.config
    with torch.device("meta"):
        network = parts.space.network(chosen.architecture, parts.task.classes, regime.head)
    where = parts.cost.provenance
    return ModelCard(
        name=folder.name,
        description=f"Found by {regime.strategy.name} search on {config.datasets.name}.",
        space=parts.space.name,
        head=regime.head,
        classes=config.datasets.classes,
        dataset=config.datasets.name,
        architecture=tuple(parts.space.write(chosen.architecture)),
        costs=Costs(
            resolution=regime.cost.resolution,
            gmacs=gmacs(network, regime.cost.resolution),
            parameters_millions=parameters(network),
            latency_ms=latency.median if latency else None,
            latency_device=f"{where['device']}, {where['runtime']}" if latency else None,
        ),
        search={
            "inherited_miou": chosen.report,
            "protocol": regime.select.protocol,
            "cost_target": regime.cost.target,
            "seed": config.seed,
        },
    )


def _summary(
    searching: OneShotSearch, selection: Selection, latency: Latency | None
) -> dict[str, Any]:
    parts, chosen = searching.parts, selection.chosen
    return {
        "chosen": {
            "architecture": parts.space.write(chosen.architecture),
            "kind": chosen.kind,
            "cost": chosen.cost,
            "selection_miou": chosen.miou,
            "report_miou": chosen.report,
            **({"measured_ms": latency.median, "measured_iqr_ms": latency.iqr} if latency else {}),
        },
        "target": parts.config.regime.cost.target,
        "unit": parts.cost.unit,
        "random": selection.baseline(),
        "protocol": parts.config.regime.select.protocol,
        "steps": searching.step,
        "seed": parts.config.seed,
        "device": str(parts.process.device),
        "device_hours": searching.seconds * parts.process.world_size / 3600,
        "cost_table": {"fixed": parts.cost.fixed, **parts.cost.provenance},
    }


def _draw(
    run: Run, parts: Search, searching: OneShotSearch, card: ModelCard, rows: list[dict[str, Any]]
) -> None:
    keys = [choice.key for choice in parts.space.choices]
    resolution = parts.config.regime.cost.resolution
    shapes = [parts.space.candidate_input(key, *resolution) for key in keys]
    target, unit = parts.config.regime.cost.target, parts.cost.unit
    chosen = next(row for row in rows if row["chosen"])
    title = f"{card.name}: {chosen['cost']:.4g} {unit}, inherited mIoU {chosen['report_miou']:.1%}"
    draw_architecture(run.folder / "architecture.png", card.architecture, keys, shapes, title)
    longest = max((choice.options for choice in parts.space.choices), key=len)
    history = np.full((len(searching.history), len(keys), len(longest)), np.nan)
    for epoch, rows_of in enumerate(searching.history):
        for unit_index, key in enumerate(keys):
            history[epoch, unit_index, : len(rows_of[key])] = rows_of[key]
    draw_probabilities(run.folder / "probabilities.png", history, longest, keys)
    points = [{**row, "on_front": row["front"]} for row in rows]
    draw_pareto(run.folder / "pareto.png", points, target, unit)
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    draw_curves(run.folder / "curves.png", [json.loads(line) for line in lines], target, unit)


def _sentences(summary: dict[str, Any], folder: Path) -> str:
    chosen, baseline, unit = summary["chosen"], summary["random"], summary["unit"]
    text = (
        f"chosen: {chosen['cost']:.4g} {unit} (target {summary['target']:g}), "
        f"inherited mIoU {chosen['report_miou']:.2%}"
    )
    if "measured_ms" in chosen:
        text += f", measured whole {chosen['measured_ms']:.4g} ms"
    if baseline:
        text += (
            f"; {baseline['networks']} random networks of the same cost reach "
            f"{baseline['mean']:.2%} +- {baseline['standard_error']:.2%}"
        )
    return (
        f"{text}\n{' '.join(chosen['architecture'])}\n"
        f"search took {summary['device_hours']:.3f} device-hours; everything is in {folder}: "
        "architecture.yaml to retrain it, candidates.csv, pictures"
    )
