"""The launcher of faulty runs, the seed and number of draws, and the book of what was seen."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fault import FAULTS
from tests.faults.programs import begin_or_resume, left

DRAWS = 3


@dataclass
class Launcher:
    """The program that runs command lines with faults in them.

    Args:
        process: the program.
        folder: where runs without faults are kept, which many tests compare with.
    """

    process: subprocess.Popen[str]
    folder: Path
    _alone: dict[tuple[str, ...], Alone] = field(default_factory=dict)

    def codes(self, *lives: dict[str, Any]) -> list[int]:
        """The exit codes of lives that run at the same time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"lives": lives}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the launcher ended"
        return list(json.loads(answer))

    def run(self, name: str, folder: Path, *fault: Any, more: tuple[str, ...] = ()) -> int:
        """Begins or resumes a run, with or without a fault; the exit code."""
        words = begin_or_resume(name, folder, *more)
        (code,) = self.codes(
            {"words": words, "fault": fault, "folder": str(folder), "said": str(folder / "said")}
        )
        return code

    def alone(self, name: str, more: tuple[str, ...] = ()) -> Alone:
        """A run without faults, begun once, and the points that it passed."""
        key = (name, *more)
        if key not in self._alone:
            folder = self.folder / str(len(self._alone))
            counted = {"file": str(folder / "points")}
            assert self.run(name, folder, "counted", counted, more=more) == 0, said(folder)
            counts, run = json.loads((folder / "points").read_text()), folder / "runs" / "toy"
            self._alone[key] = Alone(run, counts, left(name, run))
        return self._alone[key]


@dataclass(frozen=True)
class Alone:
    """A run without faults.

    Args:
        run: its folder.
        points: how often each kind was passed.
        files: what it left.
    """

    run: Path
    points: dict[str, int]
    files: dict[str, object]


def said(folder: Path) -> str:
    """What the lives in a folder said."""
    return (folder / "said").read_text()


@pytest.fixture(scope="session")
def launcher(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """One a session: it imports everything once."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.launcher"],
        cwd=repository, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        started = Launcher(process, tmp_path_factory.mktemp("alone"))
        assert process.stdout is not None
        assert process.stdout.readline() == '"ready"\n'
        yield started
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """The draws of a test: of SQUEEZENAS_FAULTS_SEED and its name."""
    return random.Random(f"{os.environ.get('SQUEEZENAS_FAULTS_SEED', '0')} {request.node.name}")


@pytest.fixture
def draws() -> int:
    """How often a random fault is drawn: SQUEEZENAS_FAULTS_DRAWS."""
    return int(os.environ.get("SQUEEZENAS_FAULTS_DRAWS", DRAWS))


@pytest.fixture
def seen() -> Callable[..., None]:
    """Writes down that a fault was injected so often and ended as expected."""

    def write(name: str, times: int, remark: str = "") -> None:
        assert name in {fault.name for fault in FAULTS}, name
        if file := os.environ.get("SQUEEZENAS_FAULTS_RESULTS"):
            with Path(file).open("a") as results:
                print(json.dumps({"fault": name, "times": times, "remark": remark}), file=results)

    return write
