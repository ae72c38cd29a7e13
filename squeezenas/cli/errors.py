"""From exceptions to exit codes: a user's mistake is one sentence, a bug keeps its traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from squeezenas.core.machine_faults import loader_died, peer_lost
from squeezenas.core.stopped import INTERRUPTED, Stopped

USER_ERROR = 2
LONGEST = 4000
"""Characters of a message; the names in a stranger's file may have millions."""


def exit_code(command: Callable[[], int], debug: bool) -> int:
    """Runs a command and returns the exit code of its outcome.

    `ValueError` and `OSError` are what this package raises for things a user can put right: their
    text goes to stderr and the code is 2. A run that stopped in good order has said so and gives
    its code, 75 or 130; what Ctrl-C broke off gives 130. Anything else is a bug, raised on.

    Args:
        command: what to run; its own result is the exit code when nothing is raised.
        debug: raise those errors on as well, with their traceback.
    """
    try:
        code = command()
        sys.stdout.flush()
        return code
    except Stopped as stopped:
        return stopped.code
    except KeyboardInterrupt:
        print("squeezenas: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `squeezenas --help | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        if debug:
            raise
        print(f"squeezenas: {sentence(error)}", file=sys.stderr)
        return USER_ERROR
    except (RuntimeError, MemoryError) as error:
        if debug or not (reason := _reason(error)):
            raise
        print(f"squeezenas: {reason}", file=sys.stderr)
        return USER_ERROR


def _reason(error: RuntimeError | MemoryError) -> str:
    """What the machine lacked or lost; empty for a bug."""
    if _out_of_memory(error):
        return (
            "there is not enough memory for this; lower batch_size or crop, raise accumulation "
            "(train) or use regime.memory=lean (search)"
        )
    if loader_died(error):
        return (
            "a process that loads data was killed, perhaps for want of memory; lower workers=, or "
            "free some memory, and continue with --resume"
        )
    if peer_lost(error):
        return (
            "another process of this run ended; what it said tells why; start them all again "
            "with --resume"
        )
    return ""


def _out_of_memory(error: Exception) -> bool:
    """Told by name and text: PyTorch has a class for GPUs only, and is not imported for this."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool({"MemoryError", "OutOfMemoryError"} & names) or "DefaultCPUAllocator" in str(error)


def sentence(error: Exception) -> str:
    """What happened, where, and what to do: what a file brought into it cannot drive a terminal."""
    text = "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1]
        for letter in _words(error)
    )
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _words(error: Exception) -> str:
    if not isinstance(error, OSError) or error.errno is None:
        return str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename else ""
    match error.errno:
        case errno.ENOENT:
            return f"{where}no such file or folder; check the path"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return (
                f"{where}no permission; change the rights or name another folder "
                "(runs=, output=, root=)"
            )
        case errno.ENOSPC | errno.EDQUOT:
            return f"{where}the disk is full; free some space and continue with --resume"
        case errno.EIO:
            return f"{where}{error.strerror}; check the disk, then continue with --resume"
        case _:
            return f"{where}{error.strerror}"
