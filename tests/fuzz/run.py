"""Runs mutants in processes of their own, and says of each target how its reader took them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = 3
"""Inputs of a kind of fault that are reported by number."""


@dataclass
class Tally:
    """What became of the inputs of one target."""

    seed: int
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    faults: int = 0
    slowest_seconds: float = 0.0
    slowest: int = 0
    """Number of the input that took longest."""
    findings: dict[str, list[int]] = field(default_factory=dict)
    """What went wrong -> the first inputs that show it."""

    def add(self, told: Mapping[str, Any]) -> None:
        """Counts one input."""
        self.inputs += 1
        seconds = told.get("cpu_seconds", 0.0)
        if seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest = seconds, told["index"]
        match told["outcome"]:
            case "accepted":
                self.accepted += 1
            case "refused":
                self.refused += 1
            case _:
                self.faults += 1
                examples = self.findings.setdefault(told["why"], [])
                if len(examples) < EXAMPLES:
                    examples.append(told["index"])


def attack(file: str, inputs: Mapping[str, int], seed: int) -> dict[str, Tally]:
    """Has targets of a file read mutants 0 to `inputs` each, in one process after another.

    There is more than one where inputs kill the process that reads them.
    """
    tallies = {name: Tally(seed) for name in inputs}
    while jobs := [
        f"{name}:{tallies[name].inputs}:{count}"
        for name, count in inputs.items()
        if tallies[name].inputs < count
    ]:
        died = _run(file, jobs, seed, tallies)
        if died:
            name, *_ = next(job.split(":") for job in jobs if not _finished(job, tallies))
            tally = tallies[name]
            tally.add({"index": tally.inputs, "outcome": "fault", "why": died})
    return tallies


def _finished(job: str, tallies: Mapping[str, Tally]) -> bool:
    name, _, end = job.split(":")
    return tallies[name].inputs >= int(end)


def _run(file: str, jobs: list[str], seed: int, tallies: Mapping[str, Tally]) -> str:
    """Why the process died, if it did."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+", errors="replace") as errors,
    ):
        own = {"HOME": folder, "SQUEEZENAS_HOME": f"{folder}/home", "TMPDIR": folder}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child", folder, str(seed), file, *jobs],
            cwd=REPOSITORY,
            env={**os.environ, **own, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            record = json.loads(line)
            tallies[record["name"]].add(record)
        code = process.wait()
        errors.seek(0)
        last_words = errors.read().strip()
    if code == 0:
        return ""
    if code > 0:  # the harness itself
        raise RuntimeError(f"the process ended with {code}: {last_words[-2000:]}")
    if -code in (signal.SIGPROF, signal.SIGALRM):
        return f"hangs ({signal.Signals(-code).name})"
    last = re.sub(r"0x[0-9a-f]+", "", last_words.rpartition("\n")[2])[:200]
    return f"dies of {signal.Signals(-code).name}: {last}"
