"""NAS-Bench-201: Extending the Scope of Reproducible NAS (arXiv:2001.00326).

A cell of four nodes with five operations on each of its six edges: 15,625 cells, each of which the
authors trained.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.core.config import Depth, Strict, Width
from squeezenas.core.registry import nearest
from squeezenas.core.space import SearchSpace, spaces
from squeezenas.nn.nasbench201_network import (
    EDGES,
    OPERATIONS,
    NASBench201Network,
    edge_key,
)
from squeezenas.nn.operations import NONE, SKIP

FORM = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"


class NASBench201Scale(Strict):
    """The sizes of a network."""

    cells: Depth = 5
    """Cells of each of the three stages."""
    channels: Width = 16
    """Channels of the first stage; each stage doubles them."""


@spaces.register("nasbench201")
class NASBench201(SearchSpace):
    """Six edges, five operations: 5^6 cells."""

    name = "nasbench201"
    heads: ClassVar[tuple[str, ...]] = ("classifier",)
    skip: ClassVar[str] = SKIP
    Scale: ClassVar[type[Strict]] = NASBench201Scale
    choices = tuple(Choice(edge_key(*edge), OPERATIONS) for edge in EDGES)

    def read(self, texts: Sequence[str]) -> Architecture:
        """The cell of the authors' text, `|operation~node it reads|` for each edge.

        Raises:
            ValueError: another form, an unknown operation, or an edge that is not its turn.
        """
        if len(texts) != 1:
            raise ValueError(f"a cell is one text, {FORM}, got {len(texts)}")
        nodes = texts[0].strip().split("+")
        if len(nodes) != 3 or not all(re.fullmatch(r"\|([^|~+]+~\d+\|)+", n) for n in nodes):
            raise ValueError(f"{texts[0]!r} is not of the form {FORM}")
        picks = []
        for target, node in enumerate(nodes, 1):
            terms = [term.split("~") for term in node.strip("|").split("|")]
            if [int(source) for _, source in terms] != list(range(target)):
                raise ValueError(
                    f"{node}: node {target} reads nodes {', '.join(map(str, range(target)))} in "
                    "this order"
                )
            for source, (name, _) in enumerate(terms):
                if name not in OPERATIONS:
                    hint = nearest(name, list(OPERATIONS))
                    key = edge_key(target, source)
                    raise ValueError(f"{key}: unknown operation {name!r}{hint}")
                picks.append(OPERATIONS.index(name))
        return self.architecture(picks)

    def write(self, architecture: Architecture) -> list[str]:
        """The authors' text; the inverse of `read`."""
        named = zip(EDGES, super().write(architecture), strict=True)
        nodes = ["|", "|", "|"]
        for (target, source), name in named:
            nodes[target - 1] += f"{name}~{source}|"
        return ["+".join(nodes)]

    def supernet(self, classes: int, head: str, memory: str = "full") -> NASBench201Network:
        """Every operation on every edge; `forward(images, path)`.

        Raises:
            ValueError: memory is not full.
        """
        if memory != "full":
            raise ValueError(f"{self.name} has no memory={memory}; use regime.memory=full")
        options = {choice.key: choice.options for choice in self.choices}
        return self._network(options, classes, searched=True)

    def network(self, architecture: Architecture, classes: int, head: str) -> NASBench201Network:
        """The stand-alone network; `forward(images)`."""
        return self._network(self._options(architecture), classes, searched=False)

    def inheriting_network(
        self, architecture: Architecture, classes: int, head: str
    ) -> NASBench201Network:
        """The stand-alone network with the batch norms of the supernet, for the supernet's weights.

        With `inherit` it computes what the supernet does on the path of the architecture.
        """
        return self._network(self._options(architecture), classes, searched=True)

    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        """Copies the weights of the chosen operations into an `inheriting_network`, in place."""
        shared = supernet.state_dict()
        network.load_state_dict({name: shared[name] for name in network.state_dict()})

    def _options(self, architecture: Architecture) -> dict[str, tuple[str, ...]]:
        named = zip(self.choices, super().write(architecture), strict=True)
        return {choice.key: (name,) for choice, name in named}

    def _network(
        self, options: dict[str, tuple[str, ...]], classes: int, searched: bool
    ) -> NASBench201Network:
        return NASBench201Network(options, self.scale.cells, self.scale.channels, classes, searched)

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """Input, the operation of each edge, output: the same eight nodes for every cell.

        An operation reads the operations that make up the node it reads; `none` is one of them.
        """
        operations = ["input", *super().write(architecture), "output"]
        size = len(operations)
        adjacency = [[0] * size for _ in operations]
        for index, (_, source) in enumerate(EDGES, 1):
            readable = [0] if source == 0 else _edges_into(source)
            for node in readable:
                adjacency[node][index] = 1
        for node in _edges_into(3):
            adjacency[node][-1] = 1
        return adjacency, operations

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The cell; edges that are `none` are left out."""
        named = zip(EDGES, super().write(architecture), strict=True)
        edges = tuple(CellEdge(str(s), str(t), name) for (t, s), name in named if name != NONE)
        return [CellGraph("cell", ("0",), edges, "3")]


def _edges_into(node: int) -> list[int]:
    """Graph nodes of the edges that end in a node of the cell."""
    return [index for index, (target, _) in enumerate(EDGES, 1) if target == node]
