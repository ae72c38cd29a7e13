"""Recurrent cells of gated nodes: those that DARTS (arXiv:1806.09055) and ENAS (arXiv:1802.03268)
search.

Node 0 reads the word and the previous state, every other node one earlier node, `p(i)`:

    c_0, h_0 = sigmoid(.), f_0(.) of [x, h] W        s_0 = h + c_0 * (h_0 - h)
    c_i, h_i = sigmoid(.), f_i(.) of s_p(i) W_i      s_i = s_p(i) + c_i * (h_i - s_p(i))

and the mean of some nodes is the next state (ENAS, section 3.1: highway connections, as in the code
of DARTS). What the inputs contribute is one product for all times, and what leaves one node
for several others is one product too. No node has a bias.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.dropout_config import Dropout
from squeezenas.nn.batch_norm import batch_norm, update_running_statistics, world_size
from squeezenas.nn.locked_dropout import locked_dropout, locked_mask, masked
from squeezenas.nn.path import Path

INIT_RANGE = 0.04
"""Weights begin uniform within it, as in the code of DARTS, and of ENAS at these sizes."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda values: values,
}

State = tuple[Tensor, ...]
Plan = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""From the previous state `(N, H)`, node 0's products `(N, 2H)` and a mask to the next state."""


class Node(NamedTuple):
    """The node that a node reads, and the activation of what it reads."""

    predecessor: int
    activation: str


class Wiring(NamedTuple):
    """One cell.

    Args:
        first: activation of node 0.
        nodes: node 1 and those behind it.
        outputs: the nodes whose mean is the next state.
    """

    first: str
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]


class Recurrent(nn.Module, ABC):
    """What a language network reads words with.

    Attributes:
        hidden: values of a word vector and of the state (H).
    """

    hidden: int

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """A state of zeros, tensors `(layers, batch, H)`."""

    @abstractmethod
    def forward(
        self, inputs: Tensor, state: State, dropout: Dropout, path: Path | None = None
    ) -> tuple[Tensor, State]:
        """Reads a segment.

        Args:
            inputs: `(T, N, H)`.
            state: what the segment before returned.
            dropout: rates of `cell` and `hidden`.
            path: weights of the options, for a cell that is searched.

        Returns:
            The states of all times `(T, N, H)`, and the state to go on from.
        """


class GatedCell(Recurrent):
    """The loop over time, and the weights.

    Args:
        hidden: values of a word vector, of the state and of every node (H).
        matrices: how many `(2H, H)` matrices there are besides that of node 0.
        norms: what follows each node, and last the mean; see `normalisations`.
    """

    def __init__(self, hidden: int, matrices: int, norms: nn.ModuleList) -> None:
        super().__init__()
        self.hidden = hidden
        self.start = nn.Parameter(torch.empty(2 * hidden, 2 * hidden))
        self.weight = nn.Parameter(torch.empty(matrices, 2 * hidden, hidden))
        self.norms = norms
        for weight in (self.start, self.weight):
            nn.init.uniform_(weight, -INIT_RANGE, INIT_RANGE)

    def initial_state(self, batch: int) -> State:
        """A state of zeros, `(1, batch, H)`."""
        return (self.start.new_zeros(1, batch, self.hidden),)

    def forward(
        self, inputs: Tensor, state: State, dropout: Dropout, path: Path | None = None
    ) -> tuple[Tensor, State]:
        """See `Recurrent`; one mask serves the state and every node."""
        hidden = state[0][0]
        plan = self.plan(path)
        of_input, of_state = self.start.split(self.hidden, dim=1)
        products = F.linear(locked_dropout(inputs, dropout.cell), of_input)
        mask = locked_mask(hidden, dropout.hidden)
        states = []
        for product in products:
            hidden = plan(hidden, product + F.linear(masked(hidden, mask), of_state), mask)
            states.append(hidden)
        return torch.stack(states), (hidden.unsqueeze(0),)

    @abstractmethod
    def plan(self, path: Path | None) -> Plan:
        """One step in time, made once for all times of a segment."""


class Leaving(NamedTuple):
    """The edges that leave one node.

    Args:
        weight: their matrices under one another, `(edges * 2H, H)`.
        targets: the node at the end of each.
        activations: the activation of each.
        scales: what each is multiplied with, `(N or 1, 1)`; None: nothing.
    """

    weight: Tensor
    targets: Sequence[int]
    activations: Sequence[str]
    scales: Sequence[Tensor | None]


@dataclass(frozen=True)
class Picked:
    """A step in which only these edges run; a node without one is zero.

    Args:
        first: activation of node 0.
        scale: what node 0 is multiplied with, `(N or 1, 1)`; None: nothing.
        leaving: the edges that leave each node; None where there are none.
        outputs: the nodes whose mean is the next state.
        norms: what follows each node and the mean.
    """

    first: str
    scale: Tensor | None
    leaving: Sequence[Leaving | None]
    outputs: Sequence[int]
    norms: nn.ModuleList

    def __call__(self, hidden: Tensor, product: Tensor, mask: Tensor | None) -> Tensor:
        """See `Plan`."""
        gate, candidate = product.chunk(2, -1)
        start = toward(hidden, ACTIVATIONS[self.first](candidate), gate.sigmoid())
        sums = {0: masked(start, self.scale)}
        states = []
        for source, edges in enumerate(self.leaving):
            state = self.norms[source](sums[source] if source in sums else hidden * 0)
            states.append(state)
            if edges is None:
                continue
            joint = F.linear(masked(state, mask), edges.weight)
            joint = joint.view(len(state), len(edges.targets), 2, -1)
            gates = joint[:, :, 0].sigmoid()
            for n, (target, name, scale) in enumerate(zip(*edges[1:], strict=True)):
                candidate = ACTIVATIONS[name](joint[:, n, 1])
                term = masked(toward(state, candidate, gates[:, n]), scale)
                sums[target] = sums[target] + term if target in sums else term
        mean = torch.stack([states[node] for node in self.outputs]).mean(0)
        return cast("Tensor", self.norms[-1](mean))


class RecurrentCell(GatedCell):
    """The cell of one architecture.

    Args:
        hidden: values of a word vector, of the state and of every node (H).
        wiring: the cell.
        norms: what follows each node and the mean; by default nothing, as the papers evaluate.
    """

    def __init__(self, hidden: int, wiring: Wiring, norms: nn.ModuleList | None = None) -> None:
        nodes = len(wiring.nodes)
        super().__init__(
            hidden, nodes, normalisations(nodes, hidden, ()) if norms is None else norms
        )
        self.wiring = wiring

    def plan(self, path: Path | None) -> Picked:
        """The wiring; there is no path."""
        first, nodes, outputs = self.wiring
        leaving: list[Leaving | None] = []
        for source in range(len(nodes) + 1):
            targets = [n for n, node in enumerate(nodes, 1) if node.predecessor == source]
            weight = self.weight[[target - 1 for target in targets]].flatten(0, 1)
            activations = [nodes[target - 1].activation for target in targets]
            edges = Leaving(weight, targets, activations, [None] * len(targets))
            leaving.append(edges if targets else None)
        return Picked(first, None, leaving, outputs, self.norms)


class JoinedBatchNorm(nn.BatchNorm1d):
    """Batch norm of `(N, H)` without learned scale, over the columns of all processes."""

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden, affine=False)

    def forward(self, values: Tensor) -> Tensor:
        """Normalises; in training mode also updates the running statistics."""
        if not self.training or world_size() == 1:
            return super().forward(values)
        ones, zeros = values.new_ones(self.num_features), values.new_zeros(self.num_features)
        y, mean, variance = batch_norm(values[..., None, None], ones, zeros, self.eps)
        norm = cast("nn.BatchNorm2d", self)
        update_running_statistics(norm, mean, variance, len(values) * world_size())
        return y[..., 0, 0]


def normalisations(nodes: int, hidden: int, places: Sequence[int]) -> nn.ModuleList:
    """What follows node 0, the `nodes` behind it, and last their mean.

    Args:
        nodes: nodes besides node 0.
        hidden: values of a node.
        places: where a batch norm stands; the others are the identity.
    """
    kinds = (JoinedBatchNorm(hidden) if n in places else nn.Identity() for n in range(nodes + 2))
    return nn.ModuleList(kinds)


def toward(state: Tensor, candidate: Tensor, gate: Tensor) -> Tensor:
    """`state + gate * (candidate - state)` in the type of the state."""
    return torch.lerp(state, candidate.to(state.dtype), gate.to(state.dtype))
