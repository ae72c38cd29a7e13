"""What the recurrent spaces have in common: one cell, in a network that predicts words."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, cast

from torch import nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.core.space import SearchSpace
from squeezenas.nn.language_network import LanguageNetwork
from squeezenas.nn.recurrent_cell import RecurrentCell, Wiring, normalisations
from squeezenas.nn.recurrent_search_cell import SearchCell


class RecurrentSpace(SearchSpace):
    """Wirings of one recurrent cell; `classes` of its networks are the words of the vocabulary."""

    heads: ClassVar[tuple[str, ...]] = ("decoder",)

    @abstractmethod
    def wiring(self, architecture: Architecture) -> Wiring:
        """The cell of an architecture."""

    @abstractmethod
    def search_cell(self) -> SearchCell:
        """A cell with every edge and activation."""

    def supernet(self, classes: int, head: str, memory: str = "full") -> LanguageNetwork:
        """All edges and activations; `forward(tokens, state, path)`.

        Raises:
            ValueError: memory is not full.
        """
        if memory != "full":
            raise ValueError(
                f"memory={memory}: {self.name} keeps what the backward pass reads; use memory=full "
                "and fewer columns or shorter segments"
            )
        return LanguageNetwork(self.search_cell(), classes)

    def network(self, architecture: Architecture, classes: int, head: str) -> LanguageNetwork:
        """The stand-alone network, without batch norms; `forward(tokens, state)`."""
        cell = RecurrentCell(self.scale.hidden, self.wiring(architecture))
        return LanguageNetwork(cell, classes)

    def inheriting_network(
        self, architecture: Architecture, classes: int, head: str
    ) -> LanguageNetwork:
        """The stand-alone network with the batch norms of the supernet, for the supernet's weights.

        With `inherit` it computes what the supernet does on the path of the architecture.
        """
        norms = enumerate(self.search_cell().norms)
        places = [place for place, norm in norms if isinstance(norm, nn.BatchNorm1d)]
        hidden, wiring = self.scale.hidden, self.wiring(architecture)
        batch_norms = normalisations(len(wiring.nodes), hidden, places)
        return LanguageNetwork(RecurrentCell(hidden, wiring, batch_norms), classes)

    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        """Copies the weights of the wired edges into `network`, in place, and norms it has."""
        source = cast("SearchCell", supernet.cell)
        wired = source.inherited(self.wiring(architecture))
        state = {f"cell.{name}": tensor for name, tensor in wired.items()}
        state |= {k: v for k, v in supernet.state_dict().items() if not k.startswith("cell.")}
        network.load_state_dict({name: state[name] for name in network.state_dict()})

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """The input, the activation of each node, and the output."""
        first, nodes, outputs = self.wiring(architecture)
        operations = ["input", first, *(node.activation for node in nodes), "output"]
        size = len(operations)
        adjacency = [[0] * size for _ in range(size)]
        adjacency[0][1] = 1
        for target, node in enumerate(nodes, 2):
            adjacency[node.predecessor + 1][target] = 1
        for node_index in outputs:
            adjacency[node_index + 1][-1] = 1
        return adjacency, operations

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The cell: word and previous state in, next state out."""
        first, nodes, outputs = self.wiring(architecture)
        inputs = ("x_t", "h_{t-1}")
        edges = [CellEdge(source, "0", first) for source in inputs]
        edges += [
            CellEdge(str(node.predecessor), str(target), node.activation)
            for target, node in enumerate(nodes, 1)
        ]
        edges += [CellEdge(str(node_index), "h_t", "") for node_index in outputs]
        return [CellGraph("recurrent", inputs, tuple(edges), "h_t")]
