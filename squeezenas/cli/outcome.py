"""What a finished search leaves in its run folder: model card, tables, pictures, summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from squeezenas.cli.search_pictures import draw_search
from squeezenas.core.model_card import Costs, ModelCard, write_model_card
from squeezenas.costs.latency import Latency, measure_latency, placed
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.report.overlays import draw_overlays
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from squeezenas.search.select import Selection, as_rows
from squeezenas.search.setup import Search
from squeezenas.tracking.run import Run
from squeezenas.zoo.found import network_card

OVERLAYS = 4


def write_outcome(
    run: Run, searching: OneShotSearch, scorer: InheritedWeights, selection: Selection
) -> None:
    """Writes `architecture.yaml`, `candidates.csv`, `probabilities.json`, pictures, `summary.json`.

    Raises:
        OSError: a file cannot be written.
    """
    parts = searching.parts
    segments = parts.card.task == "segmentation"
    shown = scorer.predictions(selection.chosen.architecture, OVERLAYS) if segments else None
    if not parts.process.main:
        return
    rows = as_rows(selection, parts.task.headline, parts.space.write)
    run.table("candidates", rows)
    run.write_text("probabilities.json", json.dumps(searching.history) + "\n")
    latency = _measured(parts, selection)
    card = _card(parts, selection, run, latency)
    write_model_card(run.folder / "architecture.yaml", card)
    run.artifact("architecture", run.folder / "architecture.yaml")
    summary = _summary(searching, selection, latency)
    draw_search(run.folder, searching, selection)
    if shown:
        draw_overlays(
            run.folder / "overlays.png", *shown,
            parts.card.palette, card.classes, parts.card.ignore_index,
        )  # fmt: skip
        run.segments("report", *shown, parts.card)
    for picture in sorted(run.folder.glob("*.png")):
        run.image(picture.stem, picture)
    run.finish(summary)
    print(_sentences(summary, selection, run.folder))


def _measured(parts: Search, selection: Selection) -> Latency | None:
    """The whole chosen network timed here, when the search was for latency."""
    cost, process = parts.config.regime.cost, parts.process
    if cost is None or cost.kind != "latency":
        return None
    network = parts.network(selection.chosen.architecture)
    device, precision = placed(cost.runtime, process.device, parts.precision)
    size = (3, *cost.resolution)
    return measure_latency(network, size, device, precision, runtime=cost.runtime)


def _card(parts: Search, selection: Selection, run: Run, latency: Latency | None) -> ModelCard:
    chosen, regime, config = selection.chosen, parts.config.regime, parts.config
    target = {"cost_target": regime.cost.target} if regime.cost else {}
    card = network_card(
        run.folder.name, parts.space, regime.scale, regime.head, parts.card, chosen.architecture
    )
    return card.model_copy(
        update={
            "description": f"Found by {regime.strategy.name} search on {config.datasets.name}.",
            "costs": _costs(parts, selection, latency),
            "search": {
                f"inherited_{parts.task.headline}": chosen.report,
                "protocol": regime.select.protocol,
                **target,
                "seed": config.seed,
                **run.provenance,
            },
        }
    )


def _costs(parts: Search, selection: Selection, latency: Latency | None) -> Costs:
    regime = parts.config.regime
    with torch.device("meta"):
        network = parts.network(selection.chosen.architecture)
    if parts.card.task == "language":
        return Costs(parameters_millions=parameters(network))
    resolution = regime.cost.resolution if regime.cost else regime.crop
    where = parts.cost.provenance if parts.cost else {}
    return Costs(
        resolution=resolution,
        gmacs=gmacs(network, resolution),
        parameters_millions=parameters(network),
        latency_ms=latency.median if latency else None,
        latency_device=f"{where['device']}, {where['runtime']}" if latency else None,
    )


def _summary(
    searching: OneShotSearch, selection: Selection, latency: Latency | None
) -> dict[str, Any]:
    parts, chosen = searching.parts, selection.chosen
    headline, cost = parts.task.headline, parts.config.regime.cost
    table = parts.cost
    return {
        "chosen": {
            "architecture": parts.space.write(chosen.architecture),
            "kind": chosen.kind,
            "cost": chosen.cost,
            f"selection_{headline}": chosen.score,
            f"report_{headline}": chosen.report,
            **({"measured_ms": latency.median, "measured_iqr_ms": latency.iqr} if latency else {}),
        },
        "target": cost.target if cost else None,
        "unit": parts.unit,
        "random": selection.baseline(),
        "protocol": parts.config.regime.select.protocol,
        "steps": searching.step,
        "seed": parts.config.seed,
        "device": str(parts.process.device),
        "device_hours": searching.seconds * parts.process.world_size / 3600,
        "cost_table": {"fixed": table.fixed, **table.provenance} if table else None,
    }


def _sentences(summary: dict[str, Any], selection: Selection, folder: Path) -> str:
    chosen, baseline, unit = summary["chosen"], summary["random"], summary["unit"]
    figure, target = selection.figure, summary["target"]
    assert selection.chosen.report is not None
    text = f"chosen: {chosen['cost']:.4g} {unit}"
    if target is not None:
        text += f" (target {target:g})"
    text += f", inherited {figure.label} {figure.text(selection.chosen.report)}"
    if "measured_ms" in chosen:
        text += f", measured whole {chosen['measured_ms']:.4g} ms"
    if baseline:
        text += (
            f"; {baseline['networks']} random networks{' of the same cost' * (target is not None)} "
            f"reach {figure.text(baseline['mean'])} +- {figure.text(baseline['standard_error'])}"
        )
        if "diverged" in baseline:
            text += f", {baseline['diverged']} more diverged"
    return (
        f"{text}\n{' '.join(chosen['architecture'])}\n"
        f"search took {summary['device_hours']:.3f} device-hours; everything is in {folder}: "
        "architecture.yaml to retrain it, candidates.csv, pictures"
    )
