"""Commands that are killed on the way and resumed, within one process: quicker than signals."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from squeezenas.cli.main import main


class KilledError(BaseException):
    """No error handling takes it for a mistake of the user, as none sees SIGKILL."""


def dies(patch: pytest.MonkeyPatch, kind: type, method: str, calls: Collection[int]) -> None:
    """From now on the calls of a method with these numbers kill the command."""
    whole, numbers = getattr(kind, method), itertools.count()

    def dying(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if next(numbers) in calls:
            raise KilledError
        return whole(self, *arguments, **keywords)

    patch.setattr(kind, method, dying)


def deaths(command: str, words: list[str], folder: Path) -> int:
    """Runs a command to its end, resuming it in `folder` after each death; counts them."""
    for number in itertools.count():
        try:
            assert main([command, *words]) == 0
            return number
        except KilledError:
            words = ["--resume", str(folder)]
    raise AssertionError
