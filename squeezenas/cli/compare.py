"""`squeezenas compare`: ask/tell strategies on a benchmark table, with the same seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from squeezenas.ask_tell.compare import Entry, Trace, entries, read_compared, run
from squeezenas.ask_tell.ranking import (
    BASELINE,
    Standing,
    by_seed,
    cost_curves,
    curves,
    document,
    standings,
)
from squeezenas.core.compare_config import CompareConfig
from squeezenas.core.figures import Figure
from squeezenas.core.files import write_atomically
from squeezenas.data.tables import BenchmarkTable
from squeezenas.report.search_curves import draw_search_curves
from squeezenas.tracking.environment import environment

INCOMPLETE = 1  # exit code: a strategy is missing


def main(config: CompareConfig) -> int:
    """Searches, prints a table for each budget and writes the output folder.

    Args:
        config: the resolved configuration.

    Returns:
        0, or 1 when a strategy failed.

    Raises:
        FileNotFoundError, ValueError, OSError: something that the user can put right.
    """
    table, figure = read_compared(config)
    compared = entries(config, table.space)
    if config.output is not None:  # before the work rather than after it
        config.output.mkdir(parents=True, exist_ok=True)
    traces, failures = _searched(config, compared)
    for failure in failures:
        print(f"left out: {failure}")
    if not traces:
        return INCOMPLETE
    found = standings(table, figure, config.report, config.budget, traces)
    for budget, rows in found.items():
        print("\n".join(lines(table, figure, config.report, budget, rows)))
    for remark in remarks(config, compared):
        print(remark)
    if config.output is not None:
        _write(config, table, figure, compared, traces, found, failures)
        print(f"comparison.json and comparison.png are in {config.output}")
    return INCOMPLETE if failures else 0


def _searched(
    config: CompareConfig, compared: Sequence[Entry]
) -> tuple[dict[str, list[Trace]], list[str]]:
    """The searches of each strategy that went well, and why the others did not."""
    done: list[tuple[Entry, int, Trace]] = []
    failures: dict[str, str] = {}
    with tqdm(
        total=sum(entry.seeds for entry in compared), desc="comparing", unit="search",
        leave=False, disable=None,
    ) as bar:  # fmt: skip
        for entry, seed, trace, failure in run(config, compared):
            bar.update()
            if trace is None:
                failures[entry.label] = failure
            else:
                done.append((entry, seed, trace))
    return by_seed([one for one in done if one[0].label not in failures]), list(failures.values())


def lines(
    table: BenchmarkTable, figure: str, report: str, budget: int, rows: Sequence[Standing]
) -> list[str]:
    """The table after a budget as the terminal shows it."""
    way, other = table.figures[figure], table.figures.get(report)
    wide = max(len("strategy"), *(len(row.label) for row in rows))
    column = max(15, len(report))
    head = f"{'strategy':<{wide}}  {'found':>15}  {'regret':>7}"
    if other is not None:
        head += f"  {report:>{column}}  {'regret':>7}"
    head += f"  {'p best':>8}  {'p random':>8}  ms a trial"
    shown = ["", f"{way.label} after {budget} evaluations:", head]
    for row in rows:
        line = f"{row.label:<{wide}}  {_number(way, row.value, row.half):>15}"
        line += f"  {_number(way, row.regret):>7}"
        if other is not None and row.reported is not None:
            line += f"  {_number(other, row.reported.value, row.reported.half):>{column}}"
            line += f"  {_number(other, row.reported.regret):>7}"
        line += f"  {_p(row.p_best):>8}  {_p(row.p_random):>8}  {row.thinking:.1f}"
        shown.append(line)
    return shown


def remarks(config: CompareConfig, compared: Sequence[Entry]) -> list[str]:
    """What the numbers are worth nothing without."""
    seeds = f"{config.seeds} seeds"
    if fewer := [f"{e.label} {e.seeds}" for e in compared if e.seeds < config.seeds]:
        seeds += f" ({', '.join(fewer)})"
    return [
        "",
        f"mean over {seeds} of the best so far +- half its 95 % confidence interval (Student's); "
        "regret: to the table's best",
        f"p: Wilcoxon's signed-rank test on regrets, paired by seed, after Holm, against the least "
        f"regret and against {BASELINE}",
    ]


def _number(figure: Figure, value: float, half: float | None = None) -> str:
    scale = 100 if figure.percent else 1
    return f"{scale * value:.3f}" + ("" if half is None else f" +- {scale * half:.3f}")


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _write(
    config: CompareConfig,
    table: BenchmarkTable,
    figure: str,
    compared: Sequence[Entry],
    traces: Mapping[str, Sequence[Trace]],
    found: Mapping[int, Sequence[Standing]],
    failures: Sequence[str],
) -> None:
    """Writes numbers and picture."""
    assert config.output is not None
    order = [row.label for row in found[config.budget[-1]]]
    whole = sorted(curves(table, figure, traces), key=lambda one: order.index(one.label))
    costs = cost_curves(table, figure, traces)
    way = table.figures[figure]
    top = way.merit(float((way.merit(1) * table.column(figure)).max()))
    report: dict[str, Any] = {
        "table": config.datasets.name,
        "architectures": len(table),
        "figure": figure,
        "best_of_table": top,
        "strategies": [entry._asdict() for entry in compared],
        "after": {budget: [asdict(row) for row in rows] for budget, rows in found.items()},
        "curves": {curve.label: document(curve) for curve in whole},
        "curves_by_seconds": {curve.label: document(curve) for curve in costs},
        "failures": list(failures),
        "config": config.model_dump(mode="json", exclude={"output": True, "datasets": {"root"}}),
        **environment(),
    }
    write_atomically(config.output / "comparison.json", json.dumps(report, indent=1) + "\n")
    title = f"{config.datasets.title}, {config.seeds} seeds, 95 % confidence"
    draw_search_curves(config.output / "comparison.png", whole, costs, way, top, title)
