"""Run folders as the report page reads them: they are sent around to be looked at."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from squeezenas.report.page.page import contents, embedded
from squeezenas.report.page.reading import read_run
from tests.fuzz.target import Kind, Target
from tests.report.made_runs import ask_tell_run, one_shot_run

CARD = Path(__file__).resolve().parents[2] / "models" / "squeezenas_mac_small.yaml"
SMALL = {"epochs": 2, "steps_per_epoch": 1, "candidates": 3, "random_networks": 2}
CONFIG = b"""\
seed: 0
name: run
regime: {space: squeezenas_small, epochs: 2, steps_per_epoch: 1, cost: {target: 0.05}}
"""
"""In the place of a whole configuration, which takes long to read, where another file is drawn."""
FILES: dict[str, tuple[Kind, ...]] = {
    "config.yaml": ("yaml", "text"),
    "summary.json": ("json", "text"),
    "environment.json": ("json",),
    "metrics.jsonl": ("text",),
    "timing.jsonl": ("text",),
    "probabilities.json": ("json", "text"),
    "candidates.csv": ("text",),
    "architecture.yaml": ("yaml", "text"),
}


@functools.cache
def _run() -> dict[str, bytes]:
    """The files of a one-shot search, the pictures left out."""
    with tempfile.TemporaryDirectory() as folder:
        made = one_shot_run(Path(folder) / "run", **SMALL)
        files = {path.name: path.read_bytes() for path in made.iterdir() if path.name in FILES}
    return files | {"architecture.yaml": CARD.read_bytes()}


@functools.cache
def _trials() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        made = ask_tell_run(Path(folder) / "run", trials=3)
        return {path.name: path.read_bytes() for path in made.iterdir() if path.is_file()}


def _setup(files: Callable[[], dict[str, bytes]]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, content in (files() | {"config.yaml": CONFIG}).items():
            (folder / name).write_bytes(content)

    return write


def _seeds(files: Callable[[], dict[str, bytes]], name: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [files()[name]]


def _show(path: Path) -> object:
    """All that the page is made of; to render it takes long, and only looks at texts."""
    return len(embedded(contents([read_run(path.parent)])["data"]))


TARGETS = [
    *(
        Target(
            f"report_{Path(name).stem}",
            _show,
            _seeds(_run, name),
            kinds,
            name,
            _setup(_run),
            covers=("report.page.files", "report.page.reading"),
        )
        for name, kinds in FILES.items()
    ),
    Target(
        "report_trials", _show, _seeds(_trials, "trials.csv"), ("text",), "trials.csv",
        _setup(_trials),
    ),
]  # fmt: skip
