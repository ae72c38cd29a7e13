"""The report itself: one HTML file that holds its data, pictures, styles and scripts.

A content policy names every script by its hash and lets nothing be loaded, so that nothing in a
run folder, whoever made it, can run or fetch.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from squeezenas.core.files import write_atomically
from squeezenas.report.page import facts
from squeezenas.report.page.comparison import Group, differing_keys, groups, run_names
from squeezenas.report.page.correlation import FEWEST, correlate
from squeezenas.report.page.correlation import plot as correlation_plot
from squeezenas.report.page.curves import curves
from squeezenas.report.page.files import Table
from squeezenas.report.page.heat_map import heat_map
from squeezenas.report.page.networks import Networks, networks_of
from squeezenas.report.page.pareto import Search, pareto
from squeezenas.report.page.plot import Plot
from squeezenas.report.page.reading import PICTURES, RunFolder, read_run
from squeezenas.report.page.table import network_table

SCRIPTS = ("plots.js", "network.js", "table.js", "page.js")


class Panel(NamedTuple):
    """A plot with a title: its id in the page."""

    title: str
    plot: str


class StageView(NamedTuple):
    """A stage of a training."""

    name: str
    facts: facts.Facts
    panels: list[Panel]
    classes: tuple[list[str], list[list[str]]] | None
    pictures: list[tuple[str, str]]


def write_report(folders: Sequence[Path], output: Path) -> None:
    """Writes the report of a run, or of several side by side.

    Args:
        folders: run folders, at least one; finished or not.
        output: the HTML file; replaced in one step.

    Raises:
        FileNotFoundError: there is no run folder.
        OSError: a file cannot be read or written.
        ValueError: a file of a run is not what it should be; names it.
    """
    html = report([read_run(folder) for folder in folders])
    write_atomically(output, html.encode("utf-8", "replace"))  # JSON may hold half a character


def report(runs: Sequence[RunFolder]) -> str:
    """The HTML of a report.

    Args:
        runs: what it is of, at least one; the same run twice counts once.
    """
    return _rendered(contents(list({run.folder: run for run in runs}.values())))


def contents(runs: Sequence[RunFolder]) -> dict[str, Any]:
    """What the template shows and the scripts draw, of different runs."""
    scored = [networks_of(run) for run in runs]
    plots: dict[str, Plot] = {}
    data: dict[str, Any] = {"plots": plots, "history": None, **network_table(runs, scored)}
    starts = data.pop("starts")
    grouped = groups(runs, scored)
    labels = [_group_of(run, grouped) for run in runs]
    named = zip(scored, starts, labels, strict=True)
    searches = [Search(one, start, label) for one, start, label in named if one is not None]
    comparable = [one for one in searches if _alike(one.networks, searches[0].networks)]
    if comparable:
        plots["pareto"] = pareto(comparable)
    alone = runs[0] if len(runs) == 1 else None
    if alone and (drawn := heat_map(alone)):
        plots["heat-map"], data["history"] = drawn
    logged = runs if alone else [run.stages[-1] if run.stages else run for run in runs]
    correlation = ""
    if alone and searches:
        networks = searches[0].networks
        found = correlate(networks)
        correlation = found.sentence(networks.figure.label)
        if len(found.rows) >= FEWEST:
            plots["correlation"] = correlation_plot(networks, found)
    return {
        "title": alone.name if alone else f"{len(runs)} runs",
        "runs": runs,
        "alone": alone,
        "verdict": _verdict(runs, scored),
        "facts": _facts(alone, scored[0]) if alone else [],
        "groups": grouped if not alone else [],
        "figures": _figures(grouped),
        "differences": differing_keys(runs) if not alone else [],
        "panels": _panels("curve", plots, logged, labels),
        "stages": [_stage(stage, plots) for stage in alone.stages] if alone else [],
        "pictures": _pictures(alone) if alone else [],
        "correlation": correlation,
        "omitted": len(searches) - len(comparable),
        "names": run_names(runs),
        "data": data,
    }


def _group_of(run: RunFolder, grouped: Sequence[Group]) -> str:
    return next(group.label for group in grouped if run in group.runs)


def _alike(a: Networks, b: Networks) -> bool:
    """Whether one plot can hold both."""
    return (a.headline, a.unit) == (b.headline, b.unit)


def _verdict(runs: Sequence[RunFolder], scored: Sequence[Networks | None]) -> str:
    if len(runs) == 1:
        return facts.verdict(runs[0], scored[0])
    unfinished = sum(not run.finished for run in runs)
    return "Several runs side by side" + (f", {unfinished} unfinished." if unfinished else ".")


def _facts(run: RunFolder, networks: Networks | None) -> list[tuple[str, facts.Facts]]:
    titled = [
        ("Outcome", facts.outcome(run, networks)),
        ("Run", facts.settings(run)),
        ("Provenance", facts.provenance(run)),
    ]
    return [(title, told) for title, told in titled if told]


def _figures(grouped: Sequence[Group]) -> list[str]:
    return list(dict.fromkeys(label for group in grouped for label in group.figures))


def _panels(
    prefix: str, plots: dict[str, Plot], runs: Sequence[RunFolder], labels: Sequence[str]
) -> list[Panel]:
    """Puts the curves among the plots."""
    panels = []
    for number, (title, plot) in enumerate(curves(runs, labels)):
        panels.append(Panel(title, f"{prefix}-{number}"))
        plots[panels[-1].plot] = plot
    return panels


def _stage(stage: RunFolder, plots: dict[str, Plot]) -> StageView:
    panels = _panels(f"stage-{stage.name}", plots, [stage], [stage.name])
    told = (
        facts.stage_outcome(stage)
        if stage.finished
        else [("steps, unfinished", facts.steps(stage))]
    )
    return StageView(stage.name, told, panels, _classes(stage.classes), _pictures(stage))


def _classes(table: Table | None) -> tuple[list[str], list[list[str]]] | None:
    if table is None or not len(table):
        return None
    rows = zip(*table.columns.values(), strict=True)
    return [*table.columns], [[facts.text(value) for value in row] for row in rows]


def _pictures(run: RunFolder) -> list[tuple[str, str]]:
    return [(PICTURES[name], uri) for name, uri in run.pictures.items()]


def _rendered(content: dict[str, Any]) -> str:
    scripts = [_plotly(), "\n".join(_source(name) for name in SCRIPTS)]
    drawn = bool(content["data"]["plots"])
    scripts = scripts if drawn else scripts[1:]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    return _template().render(
        **content,
        styles=_source("report.css"),
        scripts=scripts,
        policy=f"{policy}; base-uri 'none'; form-action 'none'",
        embedded=embedded(content["data"]),
    )


def embedded(data: Any) -> str:
    """JSON that may stand within a script element: no text in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _template() -> Template:
    return Environment(
        loader=PackageLoader("squeezenas.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("\r\n", "\n")


def _source(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
