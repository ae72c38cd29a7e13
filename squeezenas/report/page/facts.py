"""What is told of a run in words and numbers, as pairs of a term and its text."""

from __future__ import annotations

import shlex
from statistics import median

from squeezenas.core.figures import FIGURES, Figure
from squeezenas.report.page.networks import Networks
from squeezenas.report.page.plain import at, mapping, number, text, words
from squeezenas.report.page.reading import RunFolder

Facts = list[tuple[str, str]]


def outcome(run: RunFolder, networks: Networks | None) -> Facts:
    """What a search found: figure, cost against target, random baseline."""
    facts: Facts = []
    if networks is not None and (row := networks.chosen) is not None:
        figure, value, cost = networks.figure, networks.values[row], networks.costs[row]
        if value is not None:
            facts.append((f"selection {figure.label}", figure.text(value)))
        if reported := _reported(run, networks):
            facts.append((f"report {figure.label}", reported))
        if cost is not None:
            facts.append(("cost", _cost(cost, networks.unit, run.target)))
        facts += [("scored networks", _counted(networks)), *_baseline(run, figure)]
    if (measured := number(at(run.summary, "chosen.measured_ms"))) is not None:
        spread = number(at(run.summary, "chosen.measured_iqr_ms"))
        told = f"{measured:.4g} ms" + ("" if spread is None else f" (IQR {spread:.4g} ms)")
        facts.append(("latency, measured whole", told))
    return facts


def _reported(run: RunFolder, networks: Networks) -> str:
    """The chosen network's figure on frames that chose nothing; empty where it was not taken."""
    chosen, name = mapping(at(run.summary, "chosen")), f"report_{networks.headline}"
    found = number(chosen.get(name))
    if found is not None:
        return networks.figure.text(found)
    return "not finite" if run.kind == "search" and name in chosen else ""


def _counted(networks: Networks) -> str:
    """How many were scored, of each kind, and how many could not be."""
    scored = [k for k, v in zip(networks.kinds, networks.values, strict=True) if v is not None]
    told = f"{len(scored):,} ("
    told += ", ".join(f"{scored.count(kind)} {kind}" for kind in dict.fromkeys(scored)) + ")"
    if failed := len(networks.values) - len(scored):
        told += f", {failed:,} without a figure"
    if networks.table.left_out:
        told += f", {networks.table.left_out:,} more in the file alone"
    return told


def _cost(cost: float, unit: str, target: float | None) -> str:
    told = f"{cost:.4g} {unit}"
    if not target:
        return told
    return f"{told}, {cost / target:.1%} of the target {target:g}"


def _baseline(run: RunFolder, figure: Figure) -> Facts:
    mean = number(at(run.summary, "random.mean"))
    error = number(at(run.summary, "random.standard_error"))
    count = number(at(run.summary, "random.networks"))
    if mean is None or error is None or count is None:
        return []
    same = " of the same cost" if run.target is not None else ""
    told = f"{figure.text(mean)} ± {figure.text(error)} (standard error; {count:.0f} networks{same}"
    if diverged := number(at(run.summary, "random.diverged")):
        told += f", {diverged:.0f} more diverged"
    return [("random baseline", f"{told})")]


def stage_outcome(run: RunFolder) -> Facts:
    """What a stage of a training came to."""
    summary = mapping(run.summary)
    facts = [(figure.label, figure.text(value)) for figure, value in stage_figures(run)]
    shown = ("dataset", "epochs", "precision", "start")
    facts += [(key, text(summary[key])) for key in shown if summary.get(key) is not None]
    return [*facts, *_hours(run)]


def stage_figures(stage: RunFolder) -> list[tuple[Figure, float]]:
    """What a stage of a training was measured by, and on which split, with the values."""
    split, found = text(at(stage.summary, "split")), []
    for name, value in mapping(at(stage.summary, "figures")).items():
        if (measured := number(value)) is not None:
            figure = FIGURES.get(name, Figure(name, percent=0 <= measured <= 1))
            found.append((figure._replace(label=f"{figure.label} on {split}"), measured))
    return found


def _hours(run: RunFolder) -> Facts:
    return [] if run.device_hours is None else [("device-hours", f"{run.device_hours:.4g}")]


def settings(run: RunFolder) -> Facts:
    """What was run."""
    strategy = at(run.config, "regime.strategy.name")
    data = at(run.config, "datasets.title") or at(run.config, "datasets.name")
    network = at(run.config, "models.name")
    space = run.space.name if run.space else at(run.config, "regime.space")
    stages = ", ".join(mapping(at(run.config, "regime.stages")))
    told = {
        "strategy": strategy, "space": space, "data": data, "network": network, "stages": stages,
        "head": at(run.config, "regime.head"), "seed": at(run.config, "seed"),
        "protocol": at(run.summary, "protocol"), "steps": steps(run) if run.metrics else "",
    }  # fmt: skip
    facts = [(key, text(value)) for key, value in told.items() if value not in (None, "")]
    return [*facts, *_hours(run), *_speed(run)]


def steps(run: RunFolder) -> str:
    """How far it came, of how many where that is known."""
    done = max((series.steps[-1] for series in run.metrics.values()), default=0)
    an_epoch = number(at(run.config, "regime.steps_per_epoch")) or 0
    every = (number(at(run.config, "regime.epochs")) or 0) * an_epoch
    every = every or number(at(run.config, "regime.trials")) or 0
    return f"{done:,.0f} of {every:,.0f}" if every and not run.finished else f"{done:,.0f}"


def _speed(run: RunFolder) -> Facts:
    series = run.timing.get("time/step")
    seconds = [value for value in series.values if value is not None] if series else []
    return [("a step", f"{median(seconds):.3g} s (median)")] if seconds else []


def provenance(run: RunFolder) -> Facts:
    """On what it was run, and how to repeat it."""
    if not run.environments:
        return []
    first = run.environments[0]
    starts = [*run.environments, *(one for stage in run.stages for one in stage.environments)]
    again = sum(max(len(one.environments) - 1, 0) for one in (run, *run.stages))
    cpus = [
        f"{text(cpu.get('model'))}, {text(cpu.get('count'))} cores"
        for start in starts
        if (cpu := mapping(start.get("cpu")))
    ]
    gpus = [gpu for start in starts for gpu in words(start.get("gpus"))]
    device = text(at(run.summary, "device"))
    libraries = mapping(first.get("libraries"))
    revision = text(at(first, "git.revision"))[:12]
    table = mapping(at(run.summary, "cost_table")) or run.latency
    conditions = [text(table[key]) for key in ("device", "runtime", "precision") if key in table]
    told = {
        "command": shlex.join(words(first.get("command"))),
        "date": text(first.get("date")).replace("T", " "),
        "resumed": f"{again} time{'s' * (again > 1)}" if again else "",
        "device": device,
        "CPU": "; ".join(dict.fromkeys(cpus)),
        "GPUs": "; ".join(gpus if len(starts) == 1 else dict.fromkeys(gpus)),
        "latency measured on": ", ".join(conditions),
        "platform": text(first.get("platform")),
        "Python": text(first.get("python")),
        "revision": revision + " (modified)" * (at(first, "git.modified") is True),
        "libraries": ", ".join(f"{name} {text(version)}" for name, version in libraries.items()),
    }  # fmt: skip
    return [(key, value) for key, value in told.items() if value]


def verdict(run: RunFolder, networks: Networks | None) -> str:
    """One sentence on the whole run."""
    kind = {"search": "One-shot search", "ask_tell": "Ask/tell search", "training": "Training"}
    told = kind[run.kind]
    if not run.finished:
        return f"{told}, unfinished: {_progress(run)}."
    if run.kind == "training":
        return f"{told} of {len(run.stages)} stage{'s' * (len(run.stages) != 1)}."
    chosen = networks.chosen if networks else None
    if networks is None or chosen is None or networks.values[chosen] is None:
        return f"{told}, finished."
    return f"{told}, finished: {_found(run, networks, chosen)}."


def _progress(run: RunFolder) -> str:
    if run.kind != "training":
        return f"{steps(run)} steps are here"
    finished = sum(stage.finished for stage in run.stages)
    every = len(mapping(at(run.config, "regime.stages"))) or len(run.stages)
    told = f"{finished} of {every} stages finished"
    begun = [stage for stage in run.stages if not stage.finished]
    return told + (f", {steps(begun[-1])} steps of {begun[-1].name} are here" if begun else "")


def _found(run: RunFolder, networks: Networks, row: int) -> str:
    value, cost, figure = networks.values[row], networks.costs[row], networks.figure
    if reported := _reported(run, networks):
        told = f"{figure.label} {reported}"
    else:
        told = f"selection {figure.label}" + ("" if value is None else f" {figure.text(value)}")
    return told if cost is None else f"{told} at {cost:.4g} {networks.unit}"
