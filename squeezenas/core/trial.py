"""What ask/tell strategies and evaluations exchange: a proposed architecture, and how it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from squeezenas.core.architecture import Architecture


@dataclass(frozen=True)
class Proposal:
    """What a strategy wants evaluated.

    Args:
        architecture: of the strategy's space.
        notes: what the strategy wants back with the result, in JSON values.
    """

    architecture: Architecture
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A finished evaluation.

    Args:
        number: counts proposals; numbers may have gaps.
        architecture: what was evaluated.
        merit: what is maximised; None where the evaluation failed.
        cost: what a front has beside merit; None where merit says it all.
        notes: those of the proposal.
    """

    number: int
    architecture: Architecture
    merit: float | None
    cost: float | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
