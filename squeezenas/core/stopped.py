"""A run that ends before it is done, with everything kept: its exit codes."""

from __future__ import annotations

TRY_AGAIN = 75
"""Preempted or out of time; the same command goes on (EX_TEMPFAIL of sysexits.h)."""
INTERRUPTED = 130
"""Ctrl-C, as shells have it."""


class Stopped(BaseException):
    """Raised where a run could go on later; no `Exception`, so nothing takes it for a fault.

    Args:
        cause: such as `SIGTERM`.
        code: the exit code, `TRY_AGAIN` or `INTERRUPTED`.
    """

    def __init__(self, cause: str, code: int) -> None:
        super().__init__(cause)
        self.code = code
