"""Program: a command of two processes; in its first life, the second is killed in a step.

The kernel kills like that when memory runs out: nothing is tidied up.
"""

from __future__ import annotations

import os
import signal
import sys

from squeezenas.cli import stage_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import Costs
from squeezenas.training.fit import Fit
from tests.search import toy  # noqa: F401

STEP = 3


def killed_in_step() -> None:
    """Only in the first life of the second process."""
    learn = Fit.learn

    def learn_or_die(fit: Fit, *arguments: object) -> dict[str, float]:
        if fit.step == STEP - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return learn(fit, *arguments)

    if (os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]) == ("1", "0"):
        Fit.learn = learn_or_die


if __name__ == "__main__":
    stage_outcome._draw = lambda *_, **__: None
    stage_outcome._costs = lambda _: Costs(resolution=(64, 128))
    if sys.argv[1] == "killed":
        killed_in_step()
    sys.exit(main(sys.argv[2:]))
