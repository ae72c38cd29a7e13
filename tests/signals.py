"""Signals that a command sends itself at a certain call: nothing depends on timing."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Mapping
from typing import Any

import pytest


def signalled(
    patch: pytest.MonkeyPatch, kind: Any, method: str, signals: Mapping[int, signal.Signals]
) -> None:
    """From now on the calls of a method with these numbers send this process these signals."""
    whole, numbers = getattr(kind, method), itertools.count()

    def signalling(*arguments: Any, **keywords: Any) -> Any:
        if (number := signals.get(next(numbers))) is not None:
            assert signal.getsignal(number) != signal.SIG_DFL, "nobody listens"
            os.kill(os.getpid(), number)
        return whole(*arguments, **keywords)

    patch.setattr(kind, method, signalling)
