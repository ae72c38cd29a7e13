"""Checkpoints that survive a killed process, a full disk and a hostile file; random states.

A checkpoint is an archive of `torch.save` with a seal behind it (`squeezenas.core.seal`).
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch

from squeezenas.core.seal import SealedFile, fault


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes `state`: `path` holds either the old checkpoint or the whole new one, never a part.

    Args:
        path: where it goes; the folder exists.
        state: tensors, numbers, texts, and dicts, lists and tuples of them.

    Raises:
        OSError: it could not be written; an old checkpoint at `path` is untouched.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            sealing = SealedFile(file)
            torch.save(state, cast(IO[bytes], sealing))
            sealing.seal()
        os.replace(partial, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):  # what keeps a file from being written may keep it from going too
            partial.unlink(missing_ok=True)
        # torch's zip writer turns a failed write into a RuntimeError that hides the OSError.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError) and "PytorchStreamWriter" not in str(error):
            raise
        reason = cause.strerror if isinstance(cause, OSError) else "the disk may be full"
        raise OSError(
            f"cannot write checkpoint {path}: {reason}; free some space or fix its permissions, "
            "then resume the run"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut (POSIX alone can open folders)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU. Code hidden in the file is not run (`weights_only`).

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: the file is truncated, damaged, or holds more than plain data.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    # torch skips the archive's own checksums, so a flipped bit would pass for a weight.
    if reason := fault(path):
        raise _damaged(path, reason)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise _damaged(path, _first_line(error)) from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} is not a checkpoint of squeezenas: it holds no mapping")
    return state


def _damaged(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{path} is damaged or not a checkpoint of squeezenas ({reason}); delete it, or start a "
        "new run"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0][:200]


def random_states() -> dict[str, Any]:
    """States of python's, numpy's and torch's global generators, as plain types and tensors.

    Of the GPUs, the current device alone is read: asking the others would open a context on each.
    """
    # The legacy form is the tuple that set_state takes; numpy types it as a dict as well.
    name, keys, position, has_gauss, gauss = cast(tuple[Any, ...], np.random.get_state())
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (name, torch.tensor(keys.astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    """Puts the generators back where `random_states` found them."""
    version, internal, gauss_next = states["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
