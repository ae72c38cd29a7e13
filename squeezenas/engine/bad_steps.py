"""Steps whose gradients are not finite: undone and counted, too many in a row an error."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class BadSteps:
    """Counts steps that were not finite.

    Args:
        limit: so many in a row are an error.
        advice: what a user can do about it, for the message.

    Attributes:
        total: how many there were.
    """

    def __init__(self, limit: int, advice: str) -> None:
        self.total = 0
        self._limit, self._advice = limit, advice
        self._in_a_row: dict[str, int] = {}
        self._kept: list[tuple[list[Tensor], list[Tensor]]] = []

    @torch.no_grad()
    def begin(self, network: nn.Module) -> None:
        """Keeps what a step changes before it is known to be fine: the statistics of batch norms.

        Args:
            network: the same one for every step.
        """
        if not self._kept:
            self._kept = [(like, list(map(torch.empty_like, like))) for like in _alike(network)]
        for buffers, before in self._kept:
            torch._foreach_copy_(before, buffers)

    def count(self, finite: bool, what: str, step: int, network: nn.Module) -> None:
        """Notes a step; after a bad one, batch norms have the statistics from before it.

        Statistics that were spoilt already start anew.

        Args:
            finite: whether the step was fine.
            what: kind of step; each kind is counted by itself.
            step: its number, for the message.
            network: whose batch norms saw it.

        Raises:
            ValueError: too many in a row.
        """
        self._in_a_row[what] = 0 if finite else self._in_a_row.get(what, 0) + 1
        if finite:
            return
        self.total += 1
        with torch.no_grad():
            for buffers, before in self._kept:
                torch._foreach_copy_(buffers, before)
        for module in network.modules():
            if isinstance(module, _BatchNorm) and not _finite(module):
                module.reset_running_stats()
        if self._in_a_row[what] >= self._limit:
            raise ValueError(
                f"{self._in_a_row[what]} {what} steps in a row were not finite (step {step}); "
                f"{self._advice}, or check the data; the last checkpoint is from before"
            )

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"total": self.total, "in_a_row": dict(self._in_a_row)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.total, self._in_a_row = state["total"], dict(state["in_a_row"])


def _alike(network: nn.Module) -> list[list[Tensor]]:
    """The buffers by type and device: those of a kind are copied together."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for buffer in network.buffers():
        kinds.setdefault((buffer.dtype, buffer.device), []).append(buffer)
    return list(kinds.values())


def _finite(norm: _BatchNorm) -> bool:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return bool((norm.running_mean + norm.running_var).isfinite().all())
