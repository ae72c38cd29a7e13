"""A run that may be stopped: what its folder says of it meanwhile, and what the user is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from squeezenas.cli.resuming import LAUNCH, STOPPED, agent
from squeezenas.core.stopped import Stopped
from squeezenas.engine.distributed import Process, gathered, stop, wait
from squeezenas.engine.preemption import deferring
from squeezenas.tracking.files import write_text


@contextmanager
def stoppable(folder: Path, process: Process, program: str) -> Iterator[None]:
    """Within, a run is asked to stop in good order; it has a folder.

    Args:
        folder: the run folder.
        process: this process.
        program: `search.py` or `train.py`, what the user goes on with.

    Raises:
        Stopped: in all processes, after the user was told.
    """
    launch = [name for name in dict.fromkeys(gathered(agent())) if name]
    if process.main:
        (folder / STOPPED).unlink(missing_ok=True)
        _note_launch(folder / LAUNCH, launch)
    with deferring():
        try:
            yield
        except Stopped as stopped:
            if process.main:
                launcher = "python" if process.world_size == 1 else "torchrun <its flags>"
                text = (
                    f"stopped by {stopped}; everything is kept, go on with "
                    f"`{launcher} {program} --resume {folder}`"
                )
                write_text(folder / STOPPED, text + "\n")
                print(f"squeezenas: {text}", file=sys.stderr, flush=True)
            wait()  # torchrun ends all processes as soon as one has left
            stop()
            raise


def _note_launch(file: Path, launch: list[str]) -> None:
    """Its time of change stays that of the launch's first start, which time_limit counts from."""
    known = file.read_text().split() if file.is_file() else []
    if launch and not set(launch) <= set(known):
        write_text(file, "\n".join(launch) + "\n")
    elif not launch:
        file.unlink(missing_ok=True)
