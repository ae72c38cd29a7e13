"""One process that reads mutants, of each target from one number to another, and tells of each.

    python -m tests.fuzz.child FOLDER SEED FILE NAME:FIRST:END ...

Its lines are JSON: name, index, outcome, and what of it. When the process dies, the first input
that has no line killed it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from squeezenas.cli.errors import sentence
from tests.fuzz.guard import Guard, limit_memory, start_clock, stop_clock
from tests.fuzz.mutations import mutant
from tests.fuzz.target import Target, targets

LONGEST = 5_000
"""Characters of a refusal, which a person has to read."""


def main(arguments: list[str]) -> None:
    """Runs the jobs."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # what readers print
    folder, seed = Path(arguments[0]).resolve(), int(arguments[1])
    for name in ("given", "elsewhere"):
        (folder / name).mkdir(exist_ok=True)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    known = targets(arguments[2])
    guard = Guard()
    os.chdir(folder / "elsewhere")
    jobs = [argument.split(":") for argument in arguments[3:]]
    for name, _, _ in jobs:
        for content in known[name].seeds():
            for _ in range(2):  # the first imports what readers import late
                found = attempt(known[name], content, folder / "given", guard)
            if found["outcome"] != "accepted":
                raise RuntimeError(f"{name} does not accept its seed {content[:200]!r}: {found}")
    limit_memory()
    for name, first, end in jobs:
        for index in range(int(first), int(end)):
            content = mutant(known[name], seed, index)
            start = time.process_time()
            start_clock()
            found = attempt(known[name], content, folder / "given", guard)
            stop_clock()
            found |= {"cpu_seconds": round(time.process_time() - start, 3)}
            print(json.dumps({"name": name, "index": index, **found}), file=report)


def attempt(target: Target, content: bytes, given: Path, guard: Guard) -> dict[str, Any]:
    """Has a target read one content: outcome, and why."""
    shutil.rmtree(given)
    given.mkdir()
    if target.setup is not None:
        target.setup(given)
    path = given / target.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    found: dict[str, Any] = {"outcome": "accepted"}
    with guard.watching(given):
        try:
            target.read(path)
        except (ValueError, OSError) as error:
            found = _refusal(target, path, error)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            found = {"outcome": "fault", "why": f"{type(error).__name__}{_place(error)}"}
    if left := list(Path().iterdir()):
        guard.events.append(f"left in the working folder: {left}")
    if guard.events:
        found = {"outcome": "fault", "why": "; ".join(guard.events[:3])}
    return {**found, "why": found["why"][:500]} if "why" in found else found


def _refusal(target: Target, path: Path, error: Exception) -> dict[str, Any]:
    said = sentence(error)
    faults = []
    if not said.strip():
        faults.append("says nothing")
    if len(said) > LONGEST:
        faults.append(f"says {len(said)} characters")
    if target.named and path.name not in said:
        faults.append("does not name the file")
    if isinstance(error, UnicodeError):
        faults.append("is no sentence")
    found = {"outcome": "refused", "why": said}
    if faults:
        why = f"{type(error).__name__}{_place(error)} {', '.join(faults)}"
        found = {"outcome": "fault", "why": why}
    return found


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/squeezenas/" in frame.filename]
    last = (own or frames)[-1]
    return f" at {Path(last.filename).name}:{last.lineno}"


if __name__ == "__main__":
    main(sys.argv[1:])
