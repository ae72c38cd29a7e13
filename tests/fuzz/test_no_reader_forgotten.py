"""Every place that parses a file is read by a target, or it is said why not."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.fuzz.target import FILES, targets

PARSERS = {
    "json": {"load", "loads"},
    "yaml": {"load", "safe_load", "parse", "load_all"},
    "np": {"load", "loadtxt", "genfromtxt", "fromfile", "frombuffer"},
    "torch": {"load"},
    "pickle": {"load", "loads", "Unpickler"},
    "zipfile": {"ZipFile"},
    "tarfile": {"open", "TarFile"},
    "cv2": {"imread", "imdecode", "VideoCapture"},
    "Image": {"open"},
    "csv": {"reader", "DictReader"},
    "OmegaConf": {"load", "from_dotlist"},
    "core": {"read_model"},
    "onnx": {"load"},
}
NAMES = {"safe_open", "read_text", "read_bytes", "imread", "urlopen", "load_file"}
"""Called by their bare names, or on a path."""

REASONS = {
    "ask_tell.identity": "JSON of this process",
    "ask_tell.liveness": "files of /proc",
    "core.files": "writes only",
    "costs.latency": "files of /proc",
    "cli.sources": "videos are checked by their head only: the rest is FFmpeg's",
    "cli.resuming": "numbers of processes, compared as texts",
    "cli.stopping": "numbers of processes, compared as texts",
    "predictors.gcn": "bytes of this process",
    "report.page.page": "templates of this package",
    "cli.benchmark_row": "files of /proc, and labels that this process has just written",
    "tracking.tensorboard": "files that this process has just written",
    "report.cells": "pictures that this process has just drawn",
    "training.fit": "a file that this run has written is hashed",
    "ask_tell.evaluators.inherit": "a checkpoint is hashed before it is read",
}


def parsing(module: ast.Module) -> set[str]:
    """What a module calls of `PARSERS` and `NAMES`."""
    found = set()
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if name in PARSERS.get(
                owner, ()
            ):
                found.add(f"{owner}.{name}")
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in NAMES:
                found.add(name)
    return found


def test_every_reader_has_a_target_or_a_reason(repository: Path) -> None:
    package = repository / "squeezenas"
    covered = {
        f"squeezenas.{module}"
        for file in FILES
        for target in targets(file).values()
        for module in target.covers
    }
    excused = {f"squeezenas.{module}" for module in REASONS}
    forgotten = {}
    for path in package.rglob("*.py"):
        name = ".".join(path.relative_to(repository).with_suffix("").parts)
        calls = parsing(ast.parse(path.read_text()))
        if calls and name not in covered | excused:
            forgotten[name] = sorted(calls)
    assert forgotten == {}


def test_reasons_and_targets_are_of_modules_that_exist(repository: Path) -> None:
    covered = [m for file in FILES for t in targets(file).values() for m in t.covers]
    missing = {
        module
        for module in [*covered, *REASONS]
        if not (repository / "squeezenas" / f"{module.replace('.', '/')}.py").is_file()
    }
    assert missing == set()


def test_the_scan_sees_what_it_should() -> None:
    text = (
        "import json\njson.loads('1'); path.read_text(); np.load(p); x.load(p); cv2.VideoCapture(p)"
    )
    found = {"json.loads", "read_text", "np.load", "cv2.VideoCapture"}
    assert parsing(ast.parse(text)) == found
