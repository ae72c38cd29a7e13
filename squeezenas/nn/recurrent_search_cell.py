"""Recurrent cells in which every edge and every activation exists: what a one-shot search trains.

In a mixed step node `i` is the sum over earlier nodes `j` and activations `f` of

    w_jif * (s_j + c_ji * (f(h_ji) - s_j))
        = W * s_j + c_ji * (sum_f w_jif * f(h_ji) - W * s_j)    with W = sum_f w_jif

which is how it is computed: one gate an edge, and what leaves `s_j` for all later nodes at once. In
a hard step only the picked edges run.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.locked_dropout import masked
from squeezenas.nn.path import Path
from squeezenas.nn.recurrent_cell import (
    ACTIVATIONS,
    GatedCell,
    Leaving,
    Picked,
    Plan,
    Wiring,
    normalisations,
    toward,
)


class Mixture(NamedTuple):
    """How activations are mixed.

    Args:
        weights: of each activation by name, `(N or 1, 1)` or `(N or 1, edges, 1)`.
        total: their sum.
    """

    weights: dict[str, Tensor]
    total: Tensor

    @staticmethod
    def of(names: Sequence[str], rows: Tensor) -> Mixture:
        """Weights `(activations, N or 1)`, or `(activations, N or 1, edges)`."""
        rows = rows.unsqueeze(-1)
        return Mixture(dict(zip(names, rows, strict=True)), rows.sum(0))

    def __call__(self, state: Tensor, product: Tensor) -> Tensor:
        """The sum over activations, as the module says.

        Args:
            state: what the edges read, `(N, H)` or `(N, 1, H)`.
            product: gate and candidate of each edge, `(N, 2H)` or `(N, edges, 2H)`.
        """
        gate, candidate = product.chunk(2, -1)
        mixture = sum(w * ACTIVATIONS[name](candidate) for name, w in self.weights.items())
        kept = (self.total * state).expand_as(gate)
        return toward(kept, cast("Tensor", mixture), gate.sigmoid())


@dataclass(frozen=True)
class Mixed:
    """A step in which all edges run.

    Args:
        first: activations of node 0.
        weights: matrices of the edges that leave each node but the last, `(later nodes * 2H, H)`.
        edges: activations of the same edges.
        outputs: weight of each node in the next state, `(nodes, N or 1, 1)`.
        norms: what follows each node and the next state.
    """

    first: Mixture
    weights: Sequence[Tensor]
    edges: Sequence[Mixture]
    outputs: Tensor
    norms: nn.ModuleList

    def __call__(self, hidden: Tensor, product: Tensor, mask: Tensor | None) -> Tensor:
        """See `Plan`."""
        state = self.norms[0](self.first(hidden, product))
        states = [state]
        later: Tensor | None = None
        for source, (weight, mixture) in enumerate(zip(self.weights, self.edges, strict=True)):
            joint = F.linear(masked(state, mask), weight)
            terms = mixture(state.unsqueeze(1), joint.unflatten(1, (-1, 2 * state.shape[1])))
            sums = terms if later is None else later + terms
            # A split, not two slices: their gradients would each be padded with zeros.
            complete, later = sums.split([1, sums.shape[1] - 1], 1)
            state = self.norms[source + 1](complete.squeeze(1))
            states.append(state)
        stacked = torch.stack(states)
        return cast("Tensor", self.norms[-1]((stacked * self.outputs).sum(0)))


class SearchCell(GatedCell):
    """What the cells of both papers have in common.

    Args:
        hidden: values of a word vector, of the state and of every node.
        nodes: nodes besides node 0.
        names: the activations, in the order of the options.
        places: where a batch norm stands, see `normalisations`.
        a_matrix_an_edge: whether every pair of nodes has a matrix of its own, or every node one for
            whichever node it reads.
    """

    a_matrix_an_edge: ClassVar[bool]

    def __init__(
        self, hidden: int, nodes: int, names: Sequence[str], places: Sequence[int]
    ) -> None:
        matrices = nodes * (nodes + 1) // 2 if self.a_matrix_an_edge else nodes
        super().__init__(hidden, matrices, normalisations(nodes, hidden, places))
        self.nodes, self.names = nodes, tuple(names)

    def leaving(self, source: int) -> slice:
        """Which matrices belong to the edges from a node to each later one, in their order."""
        if not self.a_matrix_an_edge:
            return slice(source, self.nodes)
        before = source * self.nodes - source * (source - 1) // 2
        return slice(before, before + self.nodes - source)

    def inherited(self, wiring: Wiring) -> dict[str, Tensor]:
        """The tensors of a `RecurrentCell` of this wiring by name, norms included."""
        matrices = [
            self.weight[self.leaving(node.predecessor)][target - 1 - node.predecessor]
            for target, node in enumerate(wiring.nodes, 1)
        ]
        norms = {f"norms.{name}": tensor for name, tensor in self.norms.state_dict().items()}
        return {"start": self.start, "weight": torch.stack(matrices), **norms}

    def plan(self, path: Path | None) -> Plan:
        """Mixed or, of a hard path, picked."""
        assert path is not None, "a supernet needs a path"
        return self.mixed(path) if path.picks is None else self.picked(path, path.picks)

    @abstractmethod
    def mixed(self, path: Path) -> Mixed:
        """The step of a soft path."""

    @abstractmethod
    def picked(self, path: Path, picks: dict[str, int]) -> Picked:
        """The step of a hard path."""

    def _all_weights(self) -> list[Tensor]:
        return [self.weight[self.leaving(source)].flatten(0, 1) for source in range(self.nodes)]

    def _edges(self, picked: Sequence[tuple[int, int, str, Tensor]]) -> list[Leaving | None]:
        """Picked edges `(source, target, activation, scale)` by their source."""
        leaving: list[Leaving | None] = []
        for source in range(self.nodes + 1):
            edges = [edge[1:] for edge in picked if edge[0] == source]
            if not edges:
                leaving.append(None)
                continue
            targets, activations, scales = zip(*edges, strict=True)
            weight = self.weight[self.leaving(source)][[target - source - 1 for target in targets]]
            leaving.append(Leaving(weight.flatten(0, 1), targets, activations, scales))
        return leaving


class DartsSearchCell(SearchCell):
    """DARTS (arXiv:1806.09055, section 2.1 and appendix A.1.2): an activation, or none, an edge.

    Every node has one matrix for all it reads, and a batch norm behind it against exploding
    activations; all but node 0 are averaged. The authors' code shares one batch norm, and its
    running statistics, among all nodes; here each node has its own, which only evaluation sees.

    Args:
        hidden: values of a word vector, of the state and of every node.
        nodes: nodes besides node 0.
        names: the activations; option 0 of a choice is none, then these.
        keys: by source and target, the key of the edge's choice.
    """

    a_matrix_an_edge = False

    def __init__(
        self, hidden: int, nodes: int, names: Sequence[str], keys: dict[tuple[int, int], str]
    ) -> None:
        super().__init__(hidden, nodes, names, range(nodes + 1))
        self.keys = keys

    def mixed(self, path: Path) -> Mixed:
        """Weights are those of the edge's options."""
        edges = []
        for source in range(self.nodes):
            rows = [path[self.keys[source, n]][1:] for n in range(source + 1, self.nodes + 1)]
            edges.append(Mixture.of(self.names, torch.stack(rows, -1)))
        first = Mixture.of(("tanh",), self.start.new_ones(1, 1))
        outputs = self.start.new_full((self.nodes + 1, 1, 1), 1 / self.nodes)
        outputs[0] = 0
        return Mixed(first, self._all_weights(), edges, outputs, self.norms)

    def picked(self, path: Path, picks: dict[str, int]) -> Picked:
        """Every edge whose option is not none."""
        edges = [
            (source, target, self.names[picks[key] - 1], path[key][picks[key]].unsqueeze(-1))
            for (source, target), key in self.keys.items()
            if picks[key]
        ]
        outputs = range(1, self.nodes + 1)
        return Picked("tanh", None, self._edges(edges), outputs, self.norms)


class EnasSearchCell(SearchCell):
    """ENAS (arXiv:1802.03268, sections 2.1 and 3.1): a node picks what it reads and an activation.

    Every pair of nodes has a matrix of its own. Nodes that no other reads are averaged; as their
    number varies, a batch norm follows the average. In a soft path, which the paper does not have,
    an edge weighs (probability of the input) * (probability of the activation), and a node is
    averaged with the probability that no other reads it.

    Args:
        hidden: values of a word vector, of the state and of every node.
        nodes: nodes besides node 0.
        names: the activations, in the order of the options.
        inputs: key of the choice of what each node but node 0 reads.
        activations: key of the choice of the activation of each node, node 0 included.
    """

    a_matrix_an_edge = True

    def __init__(
        self,
        hidden: int,
        nodes: int,
        names: Sequence[str],
        inputs: Sequence[str],
        activations: Sequence[str],
    ) -> None:
        super().__init__(hidden, nodes, names, (nodes + 1,))
        self.inputs, self.activations = tuple(inputs), tuple(activations)

    def mixed(self, path: Path) -> Mixed:
        """As the class says."""
        first = path[self.activations[0]]
        unread = [first.new_ones(1)] * (self.nodes + 1)
        edges = []
        for source in range(self.nodes):
            rows = []
            for target in range(source + 1, self.nodes + 1):
                reads = path[self.inputs[target - 1]][source]
                unread[source] = unread[source] * (1 - reads)
                rows.append(reads * path[self.activations[target]])
            edges.append(Mixture.of(self.names, torch.stack(rows, -1)))
        outputs = torch.stack(torch.broadcast_tensors(*unread)).unsqueeze(-1)
        outputs = outputs / outputs.sum(0)
        start = Mixture.of(self.names, first)
        return Mixed(start, self._all_weights(), edges, outputs, self.norms)

    def picked(self, path: Path, picks: dict[str, int]) -> Picked:
        """One edge a node; a node's scale is that of both its choices."""
        edges = []
        for target, (read, activation) in enumerate(
            zip(self.inputs, self.activations[1:], strict=True), 1
        ):
            source, name = picks[read], self.names[picks[activation]]
            scale = path[read][source] * path[activation][picks[activation]]
            edges.append((source, target, name, scale.unsqueeze(-1)))
        first = self.activations[0]
        return Picked(
            self.names[picks[first]],
            path[first][picks[first]].unsqueeze(-1),
            self._edges(edges),
            loose_ends([picks[key] for key in self.inputs]),
            self.norms,
        )


def loose_ends(predecessors: Sequence[int]) -> tuple[int, ...]:
    """The nodes that no other reads, given what node 1 and those behind it read."""
    return tuple(n for n in range(len(predecessors) + 1) if n not in predecessors)
