"""The controller of ENAS (arXiv:1802.03268): an LSTM that decides choice by choice.

It reads the embedding of its last decision and answers with a softmax over the options of the next
choice. Choices with the same options share embeddings and softmax layers; which choice it is at,
the state tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Choice
from squeezenas.nn.rollout import Allowed, Decide, Decisions, Rollout, roll_out

HIDDEN = 100
SPREAD = 0.1  # weights begin uniform within this


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
        return roll_out(self._decisions(architectures), architectures, decide, allowed)

    def _decisions(self, architectures: int) -> Decisions:
        inputs: Tensor = self.start.expand(architectures, -1)
        hidden = memory = torch.zeros_like(inputs)
        for kind in self._kinds:
            hidden, memory = self.cell(inputs, (hidden, memory))
            logits = self.tanh * torch.tanh(self.heads[kind](hidden) / self.temperature)
            inputs = self.embeddings[kind]((yield logits))
