"""A reader under attack, and what it reads when nobody attacks it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["bytes", "text", "json", "yaml", "zip", "png", "safetensors"]


@dataclass(frozen=True)
class Target:
    """One reader.

    Args:
        name: `<reader>`, unique among all.
        read: reads the file at a path; returns, or raises ValueError or OSError with a sentence.
        seeds: makes valid contents of that file, which `read` accepts.
        kinds: the structures by which contents are changed, besides as bytes.
        file: what the file is called; `read` finds it alone in a folder, but for what `setup` made.
        setup: fills the folder before the file is written.
        named: whether a refusal has to name the file.
        covers: modules of `squeezenas` whose parsing this reader exercises.
    """

    name: str
    read: Callable[[Path], object]
    seeds: Callable[[], Sequence[bytes]]
    kinds: tuple[Kind, ...] = ()
    file: str = "file"
    setup: Callable[[Path], object] | None = None
    named: bool = True
    covers: tuple[str, ...] = ()


FILES = sorted(path.stem for path in Path(__file__).parent.glob("targets_*.py"))
"""Modules that hold a list TARGETS."""


def targets(file: str) -> dict[str, Target]:
    """The targets of one of `FILES` by name."""
    return {target.name: target for target in importlib.import_module(f"tests.fuzz.{file}").TARGETS}
