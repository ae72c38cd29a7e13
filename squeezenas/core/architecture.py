"""What a search decides: choices with named options, and one pick for each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One decision of a space: its key (`unit03`) and its options (`k3_e1_g1`, ..., `skip`)."""

    key: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Architecture:
    """One option index for each choice of the space named `space`; text lives with the space."""

    space: str
    picks: tuple[int, ...]
