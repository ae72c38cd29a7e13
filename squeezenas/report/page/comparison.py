"""Several runs side by side: those that differ only in their seed are one group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from squeezenas.core.resume import CHANGEABLE
from squeezenas.report.page.facts import stage_figures
from squeezenas.report.page.networks import Networks
from squeezenas.report.page.plain import at, number, text
from squeezenas.report.page.plot import label_of, scaled
from squeezenas.report.page.reading import RunFolder

OWN = frozenset({*CHANGEABLE, "name", "seed", "storage", "study"})
"""Keys in which runs of one experiment may differ."""
KEYS = 100


@dataclass(frozen=True)
class Group:
    """Runs of one configuration.

    Attributes:
        label: name of its first run, and how many there are.
        runs: the runs.
        seeds: their seeds.
        figures: label -> mean and sample standard deviation, as text, over the runs that have it.
    """

    label: str
    runs: tuple[RunFolder, ...]
    seeds: str
    figures: dict[str, str]


def flat(value: Any, prefix: str = "", show: Callable[[Any], str] = text) -> dict[str, str]:
    """Dotted keys and the text of their values."""
    if not isinstance(value, Mapping):
        return {prefix: show(value)}
    found: dict[str, str] = {}
    for key, item in value.items():
        found |= flat(item, f"{prefix}.{key}" if prefix else str(key), show)
    return found


def groups(runs: Sequence[RunFolder], networks: Sequence[Networks | None]) -> list[Group]:
    """The runs by configuration, in their order."""
    found: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for position, run in enumerate(runs):
        own = {key: value for key, value in run.config.items() if key not in OWN}
        found.setdefault(tuple(sorted(flat(own, show=repr).items())), []).append(position)
    names = run_names(runs)
    return [
        _group(names[members[0]], [runs[i] for i in members], [networks[i] for i in members])
        for members in found.values()
    ]


def run_names(runs: Sequence[RunFolder]) -> list[str]:
    """Names of the runs, with as much of their paths as tells them apart."""
    lengths = [1] * len(runs)
    while True:
        names = ["/".join(r.folder.parts[-n:]) for r, n in zip(runs, lengths, strict=True)]
        alike = [i for i, name in enumerate(names) if names.count(name) > 1]
        longer = [i for i in alike if lengths[i] < len(runs[i].folder.parts)]
        if not longer:
            return names
        for position in longer:
            lengths[position] += 1


def _group(name: str, runs: list[RunFolder], networks: list[Networks | None]) -> Group:
    figures: dict[str, list[float]] = {}
    for run, scored in zip(runs, networks, strict=True):
        for label, value in _figures(run, scored).items():
            figures.setdefault(label, []).append(value)
    label = name if len(runs) == 1 else f"{name} and {len(runs) - 1} more"
    seeds = ", ".join(text(run.config.get("seed")) for run in runs)
    told = {key: spread(values, len(runs)) for key, values in figures.items()}
    return Group(label, tuple(runs), seeds, told)


def _figures(run: RunFolder, networks: Networks | None) -> dict[str, float]:
    found: dict[str, float | None] = {}
    if networks is not None and (row := networks.chosen) is not None:
        figure, reported = networks.figure, at(run.summary, f"chosen.report_{networks.headline}")
        for when, value in {"selection": networks.values[row], "report": number(reported)}.items():
            found[f"{when} {label_of(figure)}"] = scaled(figure, value)
        found[f"cost ({networks.unit})"] = networks.costs[row]
    for stage in run.stages[-1:]:
        for figure, value in stage_figures(stage):
            found[f"{stage.name}: {label_of(figure)}"] = scaled(figure, value)
    found["device-hours"] = run.device_hours
    return {label: value for label, value in found.items() if value is not None}


def spread(values: Sequence[float], of: int) -> str:
    """Mean and sample standard deviation over those of `of` runs that have a value.

    Of one value there is no deviation.
    """
    if len(values) < 2:
        return f"{values[0]:.4g}" + " (n = 1)" * (of > 1)
    return f"{fmean(values):.4g} ± {stdev(values):.2g} (n = {len(values)})"


def differing_keys(runs: Sequence[RunFolder]) -> list[tuple[str, list[str]]]:
    """Dotted keys that are not the same in all runs, with every value; those of all runs first."""
    configs = [flat({k: v for k, v in run.config.items() if k != "name"}) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    rows = [(key, [config.get(key, "") for config in configs]) for key in keys]
    differing = [(key, values) for key, values in rows if len(set(values)) > 1]
    differing.sort(key=lambda row: any(row[0] not in config for config in configs))
    return differing[:KEYS]
