"""A run folder as the report reads it: whatever is there, finished or not, ours or a stranger's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from squeezenas.core.reading import MIB, read_json, read_yaml
from squeezenas.core.space import ChainSpace, SearchSpace, make_space
from squeezenas.report.page.files import Series, Table, read_lines, read_picture, read_table
from squeezenas.report.page.plain import at, mapping, number, text
from squeezenas.tracking.secrets import masked

PICTURES = {
    "overlays": "Images, labels and predictions",
    "confusion_matrix": "Confusion matrix",
}
"""Pictures that nothing interactive replaces, and what they show."""
PROBABILITIES_LIMIT = 256 * MIB
STAGES = 20

Kind = Literal["search", "ask_tell", "training"]
Rows = dict[str, list[float | None]]


@dataclass(frozen=True)
class RunFolder:
    """What a run folder holds; empty where a file is missing.

    Attributes:
        folder: where it is.
        config: the resolved configuration.
        summary: figures of a finished run; None while it is unfinished.
        environments: provenance of the start and of every resumption.
        metrics: metrics over steps.
        timing: seconds and images a second over steps.
        probabilities: choice -> probability of each option, epoch by epoch.
        scored: every network that was scored.
        card: the model card of what was found.
        latency: the measured latency table.
        pictures: data URI by name.
        stages: of a training, its stages in order.
        classes: of a stage, figures by class.
    """

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any] | None
    environments: list[dict[str, Any]]
    metrics: dict[str, Series]
    timing: dict[str, Series]
    probabilities: list[Rows]
    scored: Table | None
    card: dict[str, Any]
    latency: dict[str, Any]
    pictures: dict[str, str]
    stages: tuple[RunFolder, ...] = ()
    classes: Table | None = None

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    @property
    def kind(self) -> Kind:
        """What sort of run it is."""
        if "models" in self.config or self.stages:
            return "training"
        return "ask_tell" if at(self.config, "regime.trials") is not None else "search"

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return self.summary is not None

    @property
    def target(self) -> float | None:
        """What a network was allowed to cost."""
        places = ("regime.cost.target", "regime.objective.target")
        told = [at(self.summary, "target"), *(at(self.config, place) for place in places)]
        return next((found for one in told if (found := number(one)) is not None), None)

    @property
    def unit(self) -> str:
        """Of its costs; empty where it is not known."""
        return text(at(self.summary, "unit"))

    @property
    def device_hours(self) -> float | None:
        """What it took; of a training, its stages together."""
        told = [number(at(one.summary, "device_hours")) for one in self.stages or (self,)]
        known = [hours for hours in told if hours is not None]
        return sum(known) if known else None

    @cached_property
    def space(self) -> SearchSpace | None:
        """The space that was searched; None where it is not known here."""
        known = (self.card, *(mapping(self.config.get(key)) for key in ("regime", "models")))
        for part in known:
            if part.get("space"):
                return _space(part["space"], part.get("scale"))
        data = mapping(at(self.config, "datasets"))
        return _space(data["space"], data.get("scale")) if data.get("space") else None

    @property
    def keys(self) -> list[str]:
        """Names of the choices, where options follow each other as units do; else none."""
        if self.space is None:
            return list(self.probabilities[-1]) if self.probabilities else []
        return [one.key for one in self.space.choices] if isinstance(self.space, ChainSpace) else []


def _space(name: Any, scale: Any) -> SearchSpace | None:
    try:
        return make_space(str(name), mapping(scale))
    except ValueError:  # a plugin's, or a table's whose options are in a file elsewhere
        return None


def read_run(folder: Path) -> RunFolder:
    """Reads a run folder.

    Raises:
        FileNotFoundError: it is no run folder.
        OSError, ValueError: a file cannot be read or is not what it should be; names the file.
    """
    if not (folder / "config.yaml").is_file():
        raise FileNotFoundError(
            f"{folder} is no run folder: it has no config.yaml; name runs/<name>"
        )
    stages = sorted(
        (int(found[1]), place)
        for place in folder.iterdir()
        if (found := re.fullmatch(r"(\d{1,4})-\w+", place.name))
        and (place / "config.yaml").is_file()
    )
    read = tuple(_read(place, ()) for _, place in stages[:STAGES])
    return _read(folder, read)


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run, secrets struck out.

    Raises:
        OSError, ValueError: it cannot be read or is no YAML.
    """
    return mapping(masked(_yaml(folder / "config.yaml")))


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a run; None before it is finished.

    Raises:
        OSError, ValueError: it cannot be read or is no JSON.
    """
    summary = _json(folder / "summary.json")
    return None if summary is None else mapping(masked(summary))


def _read(folder: Path, stages: tuple[RunFolder, ...]) -> RunFolder:
    environments = masked(_json(folder / "environment.json"))
    listed = isinstance(environments, list)
    pictures = {name: read_picture(folder / f"{name}.png") for name in PICTURES}
    scored = read_table(folder / "candidates.csv") or read_table(folder / "trials.csv")
    return RunFolder(
        folder=folder.resolve(),
        config=read_config(folder),
        summary=read_summary(folder),
        environments=[mapping(one) for one in environments] if listed else [],
        metrics=read_lines(folder / "metrics.jsonl"),
        timing=read_lines(folder / "timing.jsonl"),
        probabilities=_probabilities(folder / "probabilities.json"),
        scored=scored if scored is not None and "architecture" in scored.columns else None,
        card=_yaml(folder / "architecture.yaml") or _yaml(folder / "model.yaml"),
        latency=mapping(_json(folder / "latency.json")),
        pictures={name: uri for name, uri in pictures.items() if uri},
        stages=stages,
        classes=read_table(folder / "classes.csv"),
    )


def _json(path: Path, limit: int = 16 * MIB) -> Any:
    return read_json(path, limit) if path.is_file() else None


def _yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return mapping(OmegaConf.to_container(read_yaml(path), resolve=False))


def _probabilities(path: Path) -> list[Rows]:
    epochs = _json(path, PROBABILITIES_LIMIT)
    if epochs is None:
        return []
    if not isinstance(epochs, list) or not all(
        isinstance(rows, dict) and all(isinstance(row, list) for row in rows.values())
        for rows in epochs
    ):
        raise ValueError(f"{path}: expected a list of epochs, each {{choice: [probabilities]}}")
    return [{key: [number(p) for p in row] for key, row in rows.items()} for rows in epochs]
