"""Errors that come from the machine and say nothing of the network that ran on it.

PyTorch has no classes of its own for lost processes: they are told by their texts.
"""

from __future__ import annotations

PEER_LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "remote process exited",
)
"""What gloo and NCCL say when another process of a run has ended."""


def loader_died(error: BaseException) -> bool:
    """Whether a process that loads data ended unasked: killed, or out of shared memory."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


def peer_lost(error: BaseException) -> bool:
    """Whether another process of a distributed run ended unasked."""
    return isinstance(error, RuntimeError) and any(text in str(error) for text in PEER_LOST)


def of_the_machine(error: BaseException) -> bool:
    """Whether whatever else were tried would fail as well."""
    return isinstance(error, OSError) or loader_died(error) or peer_lost(error)
