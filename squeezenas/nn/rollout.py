"""How a network that decides choice by choice is led through a space, and never off it.

Such a network is a generator: it gives the logits of its next choice and is sent what was decided.
Controllers that are taught by rewards and the decoder of an autoencoder all go this way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

NEVER = -1e9  # the logit of an illegal option: its probability is exactly 0, its entropy finite

Allowed = Callable[[Sequence[int]], list[bool]]
Decide = Callable[[int, Tensor], Tensor]
Decisions = Generator[Tensor, Tensor, None]


class Rollout(NamedTuple):
    """Architectures that a network went through.

    Args:
        picks: option indices, `(architectures, choices)`.
        rows: for each choice, log-probabilities `(architectures, options)` given the picks before.
    """

    picks: Tensor
    rows: list[Tensor]

    def log_prob(self) -> Tensor:
        """Log-probability of each architecture, `(architectures,)`."""
        pairs = zip(self.rows, self.picks.unbind(1), strict=True)
        return torch.stack([row.gather(1, picks[:, None])[:, 0] for row, picks in pairs]).sum(0)

    def entropy(self) -> Tensor:
        """Entropy of the decisions on the way, summed, in nats: `(architectures,)`."""
        return torch.stack([-(row.exp() * row).sum(1) for row in self.rows]).sum(0)


def roll_out(decisions: Decisions, architectures: int, decide: Decide, allowed: Allowed) -> Rollout:
    """Goes through the choices of several architectures at once.

    Args:
        decisions: gives logits `(architectures, options)` choice by choice, and is sent the picks
            `(architectures,)` of each.
        architectures: how many.
        decide: from the number of a choice and probabilities `(architectures, options)` to
            picks `(architectures,)`.
        allowed: from the picks of an architecture so far to the legal options of its next.
    """
    picks: list[list[int]] = [[] for _ in range(architectures)]
    rows: list[Tensor] = []
    logits: Tensor | None = next(decisions)
    while logits is not None:
        legal = torch.tensor([allowed(before) for before in picks], device=logits.device)
        row = logits.masked_fill(~legal, NEVER).log_softmax(1)
        decided = decide(len(rows), row.detach().exp())
        for before, pick in zip(picks, decided.tolist(), strict=True):
            before.append(pick)
        rows.append(row)
        try:
            logits = decisions.send(decided)
        except StopIteration:
            logits = None
    return Rollout(torch.tensor(picks, device=rows[0].device), rows)


def drawn(generator: torch.Generator) -> Decide:
    """Decides by chance."""
    return lambda _, rows: torch.multinomial(rows, 1, generator=generator)[:, 0]


def following(picks: Tensor) -> Decide:
    """Decides as these architectures did, `(architectures, choices)`."""
    return lambda number, _: picks[:, number]


def most_probable(number: int, rows: Tensor) -> Tensor:
    """Decides for the most probable option."""
    return rows.argmax(1)
