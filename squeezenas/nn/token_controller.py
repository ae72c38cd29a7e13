"""The controller of Neural Architecture Search with Reinforcement Learning (arXiv:1611.01578).

Layers of LSTM emit an architecture token by token. Every choice has a softmax of its own, which
reads the last hidden state, and the embedding of what was picked is the next input. The skip
connections of a layer are decided at one step, its anchor point (section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Choice
from squeezenas.nn.rollout import Allowed, Decide, Decisions, Rollout, roll_out


def anchor_points(choices: Sequence[Choice]) -> list[tuple[int, ...]]:
    """What the steps of a controller decide, in order.

    Connections are choices of two options with keys such as `layer03<1`, whether the layer reads
    layer 1; those of one layer in a row make an anchor point.

    Returns:
        For an anchor point the numbers of the layers that may be read; for any other choice `()`.
    """

    def reader(indexed: tuple[int, Choice]) -> str:
        number, choice = indexed
        name, _, source = choice.key.rpartition("<")
        connects = len(choice.options) == 2 and name and source.isdecimal()
        return f"{name}<" if connects else f"choice {number}"

    steps: list[tuple[int, ...]] = []
    for key, group in groupby(enumerate(choices), reader):
        sources = [choice.key.rpartition("<")[2] for _, choice in group]
        steps.append(tuple(map(int, sources)) if key.endswith("<") else ())
    return steps


class TokenController(nn.Module):
    """Layers of LSTM, a softmax for each choice, attention between anchor points.

    Layer i reads layer j with probability `sigmoid(v tanh(W_prev h_j + W_curr h_i))`, h the hidden
    states at their anchor points (eq. in section 3.3). A layer that has none, being the first, has
    that of the first step. After an anchor point the mean state of the layers read is the next
    input, which the paper leaves open.

    Args:
        choices: the decisions, in order.
        units: hidden units of a layer.
        layers: layers of LSTM.
        spread: weights begin uniform within this.
        generator: draws the weights.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        units: int,
        layers: int,
        spread: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._steps = anchor_points(choices)
        ends = [sum(max(1, len(s)) for s in self._steps[:i]) for i in range(len(self._steps))]
        plain = [choices[end] for end, step in zip(ends, self._steps, strict=True) if not step]
        self.start = nn.Parameter(torch.empty(1, units))
        self.cells = nn.ModuleList(nn.LSTMCell(units, units) for _ in range(layers))
        self.embeddings = nn.ModuleList(nn.Embedding(len(c.options), units) for c in plain)
        self.heads = nn.ModuleList(nn.Linear(units, len(c.options)) for c in plain)
        self.previous = nn.Linear(units, units, bias=False)
        self.current = nn.Linear(units, units, bias=False)
        self.connection = nn.Linear(units, 1, bias=False)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-spread, spread, generator=generator)

    def forward(self, architectures: int, decide: Decide, allowed: Allowed) -> Rollout:
        """Goes through the choices of several architectures at once; see `roll_out`."""
        return roll_out(self._decisions(architectures), architectures, decide, allowed)

    def _decisions(self, architectures: int) -> Decisions:
        inputs: Tensor = self.start.expand(architectures, -1)
        states = [(torch.zeros_like(inputs), torch.zeros_like(inputs)) for _ in self.cells]
        softmaxes = zip(self.heads, self.embeddings, strict=True)
        anchors: dict[int, Tensor] = {}
        for sources in self._steps:
            hidden = inputs
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(hidden, states[layer])
                hidden = states[layer][0]
            first = anchors.setdefault(0, hidden)
            if not sources:
                head, embedding = next(softmaxes)
                inputs = embedding((yield head(hidden)))
                continue
            read = torch.zeros_like(hidden)
            count = torch.zeros_like(hidden[:, :1])
            for source in sources:
                earlier = anchors.get(source, first)
                score = self.connection(torch.tanh(self.previous(earlier) + self.current(hidden)))
                joined = (yield torch.cat([torch.zeros_like(score), score], 1))[:, None]
                read, count = read + joined * earlier, count + joined
            anchors[max(sources) + 1] = hidden
            inputs = read / count.clamp(min=1)
