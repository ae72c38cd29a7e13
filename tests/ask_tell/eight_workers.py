"""Program: eight workers on one study, three of them killed at random moments.

Each worker notes the trials that it begins and those that it finished in a file of the folder.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import optuna  # noqa: F401  (imported once, for all workers)
import sqlalchemy.orm  # noqa: F401

from squeezenas.ask_tell.storage import open_storage
from tests.ask_tell.toy import evaluate, numbered, trials

WORKERS, KILLED = 8, 3


def work(storage: str, folder: Path, budget: int) -> None:
    """One worker, from joining to the end of the budget."""
    mine = trials(open_storage(storage, folder), budget=budget)
    rng = random.Random(os.getpid())
    with (folder / f"{os.getpid()}.log").open("a", buffering=1) as log:
        while (claim := mine.claim(numbered)) is not None:
            log.write(f"begun {claim.number} {claim.architecture.picks}\n")
            mine.news()
            time.sleep(rng.uniform(0.02, 0.12))
            if evaluate(mine, claim):
                log.write(f"finished {claim.number} {claim.architecture.picks}\n")
    mine.close()


def fork(storage: str, folder: Path, budget: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work(storage, folder, budget)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def begun(folder: Path) -> int:
    return sum(path.read_text().count("begun") for path in folder.glob("*.log"))


if __name__ == "__main__":
    storage, folder, budget = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(int(sys.argv[4]))
    children = [fork(storage, folder, budget) for _ in range(WORKERS)]
    victims = rng.sample(children, KILLED)
    moments = sorted(rng.uniform(0.1, 0.8) for _ in victims)
    deadline = time.monotonic() + 300
    for victim, moment in zip(victims, moments, strict=True):
        while begun(folder) < moment * budget:
            assert time.monotonic() < deadline, "the workers do not get on"
            assert not os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) or any(
                folder.glob("*.log")
            ), "a worker ended before it began"
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(victim, signal.SIGKILL)
    codes = {child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    assert all(codes[child] == -signal.SIGKILL for child in victims), codes
    assert all(codes[child] == 0 for child in set(children) - set(victims)), codes
    print(*victims)
