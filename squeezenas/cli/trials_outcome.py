"""What a finished ask/tell search leaves: table of trials, model card, pictures, summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from squeezenas.ask_tell.evaluators.inherit import InheritEvaluator
from squeezenas.ask_tell.evaluators.train import TrainEvaluator
from squeezenas.ask_tell.loop import AskTellSearch
from squeezenas.ask_tell.setup import AskTell
from squeezenas.ask_tell.study import Record
from squeezenas.core.model_card import write_model_card
from squeezenas.report.pareto import Point, draw_pareto
from squeezenas.report.trials import draw_trials
from squeezenas.tracking.run import Run


def write_outcome(run: Run, searching: AskTellSearch, config: AskTell) -> None:
    """Writes `trials.csv`, `architecture.yaml`, pictures and `summary.json`.

    Raises:
        ValueError: every evaluation failed.
        OSError: a file cannot be written.
    """
    evaluator, folder, space = searching.evaluator, run.folder, searching.evaluator.space
    records = [record for record in searching.records if record.value is not None]
    run.table("trials", [_row(searching, record) for record in searching.records])
    if not records:
        raise ValueError(
            f"every evaluation failed, the last with: {searching.records[-1].error}; "
            f"see {folder / 'trials.csv'}"
        )
    front = pareto_front(searching, records)
    chosen = choose(searching, config, records)
    reported = evaluator.report(chosen.architecture)
    if reported is None:
        reported = chosen.figures.get(f"report_{evaluator.headline}")
    if isinstance(evaluator, InheritEvaluator | TrainEvaluator):
        card = evaluator.network_card(chosen.architecture, folder.name)
        found = {
            "strategy": config.regime.strategy["name"],
            f"selection_{evaluator.headline}": chosen.value,
            f"report_{evaluator.headline}": reported,
            "cost_target": config.regime.objective.target,
            "seed": config.seed,
            **run.provenance,
        }
        update = {"search": {key: value for key, value in found.items() if value is not None}}
        write_model_card(folder / "architecture.yaml", card.model_copy(update=update))
        run.artifact("architecture", folder / "architecture.yaml")
    _draw(searching, config, folder, records, chosen, front)
    for picture in sorted(folder.glob("*.png")):
        run.image(picture.stem, picture)
    summary = {
        "chosen": {
            "number": chosen.number,
            "architecture": space.write(chosen.architecture),
            evaluator.headline: chosen.value,
            f"report_{evaluator.headline}": reported,
            "cost": chosen.cost,
        },
        "front": [space.write(record.architecture) for record in front],
        "figure": evaluator.headline,
        "unit": evaluator.unit,
        "target": config.regime.objective.target,
        "strategy": config.regime.strategy,
        "evaluations": len(records),
        "failed": len(searching.records) - len(records),
        "different": len({space.canonical(record.architecture) for record in records}),
        "seed": config.seed,
        "device_hours": sum(record.seconds for record in searching.records) / 3600,
    }
    run.finish(summary)
    print(_sentences(summary, searching, folder))


def choose(searching: AskTellSearch, config: AskTell, records: Sequence[Record]) -> Record:
    """The record of the highest merit, within the target where one is set and any is."""
    target = config.regime.objective.target
    within = [
        record
        for record in records
        if target is None or record.cost is None or record.cost <= target
    ]
    penalised = config.regime.objective.kind == "penalty"
    return max(
        records if penalised else within or records,
        key=lambda record: (searching.merit(record), -(record.cost or 0.0), -record.number),
    )


def pareto_front(searching: AskTellSearch, records: Sequence[Record]) -> list[Record]:
    """Those that no other beats in figure and cost, cheapest first; without costs the best."""

    def merit(record: Record) -> float:
        assert record.value is not None
        return searching.evaluator.figure.merit(record.value)

    front: list[Record] = []
    for record in sorted(records, key=lambda one: (one.cost or 0.0, -merit(one))):
        if not front or merit(record) > merit(front[-1]):
            front.append(record)
    return front


def _row(searching: AskTellSearch, record: Record) -> dict[str, Any]:
    evaluator = searching.evaluator
    return {
        "number": record.number,
        evaluator.headline: record.value,
        "cost": record.cost,
        **record.figures,
        "seconds": record.seconds,
        "worker": record.worker,
        "error": record.error,
        "architecture": " ".join(evaluator.space.write(record.architecture)),
    }


def _draw(
    searching: AskTellSearch,
    config: AskTell,
    folder: Path,
    records: Sequence[Record],
    chosen: Record,
    front: Sequence[Record],
) -> None:
    evaluator = searching.evaluator
    values = [record.value for record in records if record.value is not None]
    draw_trials(folder / "curve.png", values, evaluator.figure)
    priced = [
        Point(record.cost, record.value, "evaluated", record is chosen, record in front)
        for record in records
        if record.cost is not None and record.value is not None
    ]
    if priced:
        draw_pareto(
            folder / "pareto.png", priced, config.regime.objective.target, evaluator.unit,
            evaluator.figure, evaluator.weights,
        )  # fmt: skip


def _sentences(summary: dict[str, Any], searching: AskTellSearch, folder: Path) -> str:
    figure, chosen = searching.evaluator.figure, summary["chosen"]
    headline = summary["figure"]
    text = f"chosen: trial {chosen['number']}, {figure.label} {figure.text(chosen[headline])}"
    if chosen[f"report_{headline}"] is not None:
        text += f", {figure.text(chosen[f'report_{headline}'])} where nothing was chosen"
    if chosen["cost"] is not None:
        text += f", {chosen['cost']:.4g} {summary['unit']}"
    hours = f", {summary['device_hours']:.3f} device-hours" if summary["device_hours"] else ""
    return (
        f"{text}\n{' '.join(chosen['architecture'])}\n"
        f"{summary['evaluations']} evaluations ({summary['failed']} failed){hours}; everything "
        f"is in {folder}: trials.csv, "
        "pictures"
        + (", architecture.yaml to retrain it" * (folder / "architecture.yaml").is_file())
    )
