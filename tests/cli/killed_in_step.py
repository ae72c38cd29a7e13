"""Program: one process of a training; the second is killed in a step of its first life.

The kernel kills like that when memory runs out: nothing is tidied up. With `alone` it is both
processes of a training that is left alone.
"""

from __future__ import annotations

import os
import signal
import sys

from squeezenas.cli import stage_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import Costs
from squeezenas.training.fit import Fit
from tests.search.forks import joined
from tests.training.toy import ready

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
    if sys.argv[1] == "alone":
        ready()
        joined(lambda: main(sys.argv[2:]), 2)
    else:
        killed_in_step()
        sys.exit(main(sys.argv[1:]))
