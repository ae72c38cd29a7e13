"""Children of one process that has imported everything once: for tests that need many processes.

A test starts this module's users as programs of their own, because a process that has run a
backward pass on a machine with a GPU must not fork any more.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable

from tests.search import toy


def ready() -> None:
    """One thread, and what the children would draw and import each for itself."""
    import albumentations  # noqa: F401
    import torch._dynamo

    torch.set_num_threads(1)
    toy.streets()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fork(job: Callable[[], object], **environment: object) -> int:
    """Runs `job` in a child with these environment variables; gives its process id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ.update({key: str(value) for key, value in environment.items()})
        result = job()
        code = result if isinstance(result, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def joined(job: Callable[[], object], world_size: int) -> None:
    """Runs `job` in as many processes as `torchrun --nproc-per-node` would, and waits for them."""
    port = free_port()
    children = [
        fork(
            job, MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
            WORLD_SIZE=world_size, RANK=rank, LOCAL_RANK=rank,
        )
        for rank in range(world_size)
    ]  # fmt: skip
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * world_size, codes
