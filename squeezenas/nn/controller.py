"""The controller of ENAS (arXiv:1802.03268): an LSTM that decides choice by choice.

It reads the embedding of its last decision and answers with a softmax over the options of the next
choice. Choices with the same options share embeddings and softmax layers; which choice it is at,
the state tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Choice

HIDDEN = 100
SPREAD = 0.1  # weights begin uniform within this
NEVER = -1e9  # the logit of an illegal option: its probability is exactly 0, its entropy finite

Allowed = Callable[[Sequence[int]], list[bool]]
Decide = Callable[[int, Tensor], Tensor]


class Rollout(NamedTuple):
    """Architectures that a controller went through.

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


class Controller(nn.Module):
    """One layer of 100 units, weights uniform within 0.1.

    Args:
        choices: the decisions, in order.
        temperature: what logits are divided by.
        tanh: largest absolute logit, `tanh * tanh(logit / temperature)`.
        generator: draws the weights.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        temperature: float,
        tanh: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.temperature, self.tanh = temperature, tanh
        kinds = list(dict.fromkeys(choice.options for choice in choices))
        self._kinds = [kinds.index(choice.options) for choice in choices]
        self.start = nn.Parameter(torch.empty(1, HIDDEN))
        self.cell = nn.LSTMCell(HIDDEN, HIDDEN, bias=False)
        self.embeddings = nn.ModuleList(nn.Embedding(len(kind), HIDDEN) for kind in kinds)
        self.heads = nn.ModuleList(nn.Linear(HIDDEN, len(kind), bias=False) for kind in kinds)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-SPREAD, SPREAD, generator=generator)

    def forward(self, architectures: int, decide: Decide, allowed: Allowed) -> Rollout:
        """Goes through the choices of several architectures at once.

        Args:
            architectures: how many.
            decide: from the number of a choice and probabilities `(architectures, options)` to
                picks `(architectures,)`.
            allowed: from the picks of an architecture so far to the legal options of its next.
        """
        inputs = self.start.expand(architectures, -1)
        hidden = memory = torch.zeros_like(inputs)
        picks: list[list[int]] = [[] for _ in range(architectures)]
        rows = []
        for number, kind in enumerate(self._kinds):
            hidden, memory = self.cell(inputs, (hidden, memory))
            logits = self.tanh * torch.tanh(self.heads[kind](hidden) / self.temperature)
            legal = torch.tensor([allowed(before) for before in picks], device=logits.device)
            row = logits.masked_fill(~legal, NEVER).log_softmax(1)
            decided = decide(number, row.detach().exp())
            for before, pick in zip(picks, decided.tolist(), strict=True):
                before.append(pick)
            inputs = self.embeddings[kind](decided)
            rows.append(row)
        return Rollout(torch.tensor(picks, device=inputs.device), rows)
