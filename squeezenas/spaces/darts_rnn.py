"""The recurrent space of DARTS: Differentiable Architecture Search (arXiv:1806.09055, section 3.1).

Every node reads one earlier node through an activation. An edge for each pair of nodes is a choice
of an activation or none, and legal are architectures in which one edge of each node is not none.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.config import Depth, Strict, Width
from squeezenas.core.space import spaces
from squeezenas.nn.recurrent_cell import Node, Wiring
from squeezenas.nn.recurrent_search_cell import DartsSearchCell
from squeezenas.spaces.recurrent import RecurrentSpace
from squeezenas.spaces.recurrent_genotype import read_recurrent, write_recurrent

NONE = "none"
ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")


class DartsScale(Strict):
    """Sizes of the cell."""

    hidden: Width = 850
    """Values of a word vector, of the state and of every node; the paper searches with 300."""
    nodes: Depth = 8
    """Nodes behind the one that reads word and state."""


@spaces.register("darts_rnn")
class DartsRNN(RecurrentSpace):
    """8 nodes: 36 edges with 4 activations or none; 4^8 * 8! cells."""

    name = "darts_rnn"
    skip: ClassVar[str] = NONE
    Scale: ClassVar[type[Strict]] = DartsScale

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        self._edges = [(i, j) for i in range(1, self.scale.nodes + 1) for j in range(i)]
        self.choices = tuple(Choice(_key(*edge), (NONE, *ACTIVATIONS)) for edge in self._edges)

    def size(self) -> int:
        """One of i earlier nodes and one of the activations for every node i."""
        nodes = self.scale.nodes
        return int(math.factorial(nodes) * len(ACTIVATIONS) ** nodes)

    def allowed(self, picks: Sequence[int]) -> list[bool]:
        """None where the node reads another already, and not none where it is the last chance."""
        node, predecessor = self._edges[len(picks)]
        reads = any(picks[len(picks) - predecessor :])
        return [reads or predecessor < node - 1, *[not reads] * len(ACTIVATIONS)]

    def architecture(self, picks: Sequence[int]) -> Architecture:
        """The architecture with these option indices.

        Raises:
            ValueError: a wrong number or index, or a node that does not read exactly one other.
        """
        architecture = super().architecture(picks)
        for node in range(1, self.scale.nodes + 1):
            edges = self._of(node)
            used = [self.choices[n].key for n in edges if picks[n]]
            if not used:
                last = self.choices[edges[-1]].key
                raise ValueError(f"{last}: all edges of node {node} are none; pick one")
            if len(used) > 1:
                raise ValueError(f"{used[1]}: node {node} reads one node, and {used[0]} is it")
        return architecture

    def sample(self, rng: random.Random) -> Architecture:
        """A uniformly drawn architecture."""
        nodes = range(1, self.scale.nodes + 1)
        return self._wired([self._draw(node, rng) for node in nodes])

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """Another predecessor or activation, or both, for one node."""
        nodes = list(self.wiring(architecture).nodes)
        position = rng.randrange(len(nodes))
        drawn = nodes[position]
        while drawn == nodes[position]:
            drawn = self._draw(position + 1, rng)
        nodes[position] = drawn
        return self._wired(nodes)

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """Each node from one of the two parents."""
        pairs = zip(self.wiring(a).nodes, self.wiring(b).nodes, strict=True)
        return self._wired([rng.choice(pair) for pair in pairs])

    def derive(self, scores: Mapping[str, Sequence[float]]) -> Architecture:
        """For each node the edge and activation of the highest score; none does not compete."""
        nodes = []
        for node in range(1, self.scale.nodes + 1):
            ranked = {
                Node(j, name): score
                for j in range(node)
                for name, score in zip(ACTIVATIONS, scores[_key(node, j)][1:], strict=True)
            }
            nodes.append(max(ranked, key=ranked.__getitem__))
        return self._wired(nodes)

    def read(self, texts: Sequence[str]) -> Architecture:
        """From `Genotype(recurrent=[('sigmoid', 0), ...], concat=range(1, 9))`, one text.

        Raises:
            ValueError: it is not of this form; names the wrong token.
        """
        return self._wired(read_recurrent(texts, ACTIVATIONS, self.scale.nodes))

    def write(self, architecture: Architecture) -> list[str]:
        """The genotype text of the authors; the inverse of `read`."""
        return [write_recurrent(self.wiring(architecture).nodes)]

    def wiring(self, architecture: Architecture) -> Wiring:
        """Node 0 is a tanh; the mean of all others is the next state."""
        nodes = tuple(
            Node(self._edges[n][1], ACTIVATIONS[architecture.picks[n] - 1])
            for node in range(1, self.scale.nodes + 1)
            for n in self._of(node)
            if architecture.picks[n]
        )
        return Wiring("tanh", nodes, tuple(range(1, len(nodes) + 1)))

    def search_cell(self) -> DartsSearchCell:
        """All edges and activations."""
        keys = {(j, i): _key(i, j) for i, j in self._edges}
        return DartsSearchCell(self.scale.hidden, self.scale.nodes, ACTIVATIONS, keys)

    def _of(self, node: int) -> range:
        """Positions of the choices of a node's edges."""
        first = node * (node - 1) // 2
        return range(first, first + node)

    def _draw(self, node: int, rng: random.Random) -> Node:
        return Node(rng.randrange(node), rng.choice(ACTIVATIONS))

    def _wired(self, nodes: Sequence[Node]) -> Architecture:
        picks = [0] * len(self.choices)
        for number, node in enumerate(nodes, 1):
            picks[self._of(number)[node.predecessor]] = 1 + ACTIVATIONS.index(node.activation)
        return self.architecture(picks)


def _key(node: int, predecessor: int) -> str:
    return f"node{node}<{predecessor}"
