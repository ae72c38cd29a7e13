"""Which run a command goes on with: the one that was named, found by its name, or began before.

Where `torchrun` starts all processes again because one of them died, they are to go on with the
run that they had begun, whatever it is called. So a run folder says in the file `launch` which
`torchrun` it was begun by: the process number and start of the agent on each machine, which no
other launch shares. The file `stopped` says that the run stopped in good order: then there is
nothing to start again, although torchrun, which takes every exit code for a fault, does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezenas.ask_tell.liveness import machine, started
from squeezenas.core.overrides import parse
from squeezenas.core.reading import read_json
from squeezenas.core.recipes import SECTIONS, AnySearch
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.core.search_config import SearchConfig

LAUNCH = "launch"
STOPPED = "stopped"


@dataclass(frozen=True)
class Resumption:
    """A run to go on with.

    Args:
        folder: the run folder.
        automatic: whether it was found, not named.
        again: whether `torchrun` starts this process again.
    """

    folder: Path
    automatic: bool = False
    again: bool = False

    @property
    def stopped(self) -> bool:
        """Whether the process before stopped in good order, so that this one shall not go on."""
        return self.again and (self.folder / STOPPED).is_file()

    @property
    def spent(self) -> float:
        """Seconds since `torchrun` began this run, or began to go on with it."""
        if not self.again:
            return 0.0
        return max(time.time() - (self.folder / LAUNCH).stat().st_mtime, 0.0)


def resumption(named: Path | None, automatic: bool, arguments: Sequence[str]) -> Resumption | None:
    """The run that a command is to go on with; None where it is to begin one.

    Args:
        named: what `--resume` names.
        automatic: whether `--auto-resume` is there.
        arguments: the other words of the command.

    Raises:
        ValueError: `--auto-resume` without a name, or beside `--resume`.
    """
    values = parse(arguments, list(SECTIONS)).values
    runs, name = Path(str(values.get("runs", "runs"))), str(values.get("name") or "")
    if automatic and named:
        raise ValueError("--auto-resume finds the run by its name; leave --resume out")
    if automatic and not name:
        raise ValueError("--auto-resume: name the run, name=<name>, so that it is found again")
    if folder := _begun_by(agent(), runs, named):
        return Resumption(folder, automatic=True, again=True)
    if automatic and (runs / name / "config.yaml").is_file():
        return Resumption(runs / name, automatic=True)
    return Resumption(named) if named else None


def finished(folder: Path, config: AnySearch | RetrainConfig) -> bool:
    """Whether a run has nothing more to do; an ask/tell search can be made longer."""
    if isinstance(config, RetrainConfig):
        return (folder / "model.yaml").is_file()
    if not (folder / "summary.json").is_file():
        return False
    if isinstance(config, SearchConfig):
        return True
    summary = read_json(folder / "summary.json")
    return bool(summary["evaluations"] + summary["failed"] >= config.regime.trials)


def agent() -> str:
    """The `torchrun` that this process is of, as no other is called; empty where there is none."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ""
    try:
        return f"{machine()}-{os.getppid()}-{started(os.getppid())}"
    except OSError:  # the system does not say, as without /proc
        return ""


def _begun_by(launch: str, runs: Path, named: Path | None) -> Path | None:
    """The run folder that this launch has written its name into."""
    if not launch:
        return None
    for file in (*runs.glob(f"*/{LAUNCH}"), *([named / LAUNCH] if named else [])):
        if file.is_file() and launch in file.read_text().split():
            return file.parent
    return None
