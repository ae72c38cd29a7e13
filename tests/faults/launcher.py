"""Program: runs command lines with faults in them, each in a child of one warm process.

It reads a request a line from stdin, JSON: `{"lives": [{"words", "fault", "said", ...}, ...]}`, and
answers with the exit codes. Lives of one request run at the same time. What they say is appended to
the file `said`. The program is one of its own, because a process that has run a backward pass on a
machine with a GPU must not fork any more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from squeezenas.cli import outcome, stage_outcome, trials_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import Costs
from tests.faults import inject, mounts
from tests.search.forks import fork
from tests.training.toy import ready

LIMIT = 400
"""Seconds after which a life that hangs is ended, and its test fails."""


def without_pictures() -> None:
    """They take most of the time of so short a run, and nothing depends on them."""
    outcome.draw_search = lambda *_: None
    outcome.draw_overlays = lambda *_: None
    stage_outcome._draw = lambda *_: None
    stage_outcome._costs = lambda _: Costs(resolution=(64, 128))
    trials_outcome._draw = lambda *_: None


def live(life: dict[str, Any]) -> int:
    """One command line, from its beginning to its end or death; the exit code."""
    signal.alarm(LIMIT)
    said = os.open(life["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if "mount" in life:
        return mounts.lives(life, lambda stage: exit_code(fork(lambda: run({**life, **stage}))))
    return run(life)


def run(life: dict[str, Any]) -> int:
    """A command line with its fault."""
    if life["fault"]:
        inject.inject(life["folder"], *life["fault"])
    code = main(life["words"])
    inject.end()
    return code


def exit_code(child: int) -> int:
    """How a child ended; minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    ready()
    without_pictures()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        children = [
            fork(lambda life=life: live(life), **life.get("environment", {}))
            for life in json.loads(line)["lives"]
        ]
        print(json.dumps(list(map(exit_code, children))), flush=True)
