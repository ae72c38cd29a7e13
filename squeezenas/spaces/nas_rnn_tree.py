"""The recurrent space of Neural Architecture Search with Reinforcement Learning (arXiv:1611.01578,
sections 3.4 and 4.2).

Every node of a binary tree has a combination and an activation; so has the place where the memory
is injected; two indices say where that is and where the memory is taken from. The choices are the
controller's tokens in its order.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from pydantic import Field

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.core.config import Strict, Width
from squeezenas.core.space import SearchSpace, spaces
from squeezenas.nn.language_network import LanguageNetwork
from squeezenas.nn.tree_cell import COMBINATIONS, Tree, TreeCell, TreeNode

ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu")


class TreeScale(Strict):
    """Sizes of the cell."""

    hidden: Width = 976
    """Values of a word vector, of the state and of every node; 976 is 25 million parameters with
    10,000 words, as the paper's network with shared embeddings has (table 2)."""
    leaves: int = Field(8, ge=2, le=64)
    """Leaves of the tree, the paper's base number."""


@spaces.register("nas_rnn_tree")
class NASRNNTree(SearchSpace):
    """15 nodes of 2 combinations and 4 activations, an injection, two of 15 indices.

    That is 8^16 * 15^2 = 6.3e16 cells, the paper's 6e16.
    """

    name = "nas_rnn_tree"
    heads: ClassVar[tuple[str, ...]] = ("decoder",)
    skip: ClassVar[str] = "identity"
    Scale: ClassVar[type[Strict]] = TreeScale

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        self._nodes = 2 * self.scale.leaves - 1
        choices = []
        for block in (*(f"node{index:02d}" for index in range(self._nodes)), "inject"):
            choices.append(Choice(f"{block}.combination", tuple(COMBINATIONS)))
            choices.append(Choice(f"{block}.activation", ACTIVATIONS))
        indices = tuple(map(str, range(self._nodes)))
        choices += [Choice("memory", indices), Choice("injected", indices)]
        self.choices = tuple(choices)

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture in the controller's blocks: `["add tanh", ..., "add relu", "1 0"]`.

        A combination and an activation for every node from the leaves to the root, those of the
        injection, the node the memory is taken from and the node it is injected behind. Lines may
        be broken anywhere.

        Raises:
            ValueError: wrong number of tokens, or one that is no option; names its choice.
        """
        return super().read(" ".join(texts).split())

    def write(self, architecture: Architecture) -> list[str]:
        """One text a block; the inverse of `read`."""
        words = super().write(architecture)
        return [" ".join(pair) for pair in zip(words[::2], words[1::2], strict=True)]

    def tree(self, architecture: Architecture) -> Tree:
        """The cell of an architecture."""
        *blocks, indices = (text.split() for text in self.write(architecture))
        *nodes, inject = (TreeNode(*block) for block in blocks)
        memory, injected = map(int, indices)
        return Tree(tuple(nodes), inject, memory, injected)

    def network(self, architecture: Architecture, classes: int, head: str) -> LanguageNetwork:
        """The stand-alone network; `forward(tokens, state)`, and `classes` are its words."""
        return LanguageNetwork(TreeCell(self.scale.hidden, self.tree(architecture)), classes)

    def canonical(self, architecture: Architecture) -> Hashable:
        """The tree without left and right: sums and products do not tell their operands apart."""
        tree = self.tree(architecture)

        def below(node: int) -> tuple[Hashable, ...]:
            own = (*tree.nodes[node], node == tree.memory, node == tree.injected)
            if node < tree.leaves:
                return own
            return (*own, *sorted(map(below, tree.children(node)), key=repr))

        return tree.inject, below(self._nodes - 1)

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """The memory that comes, the nodes, the injection behind one of them, the memory that goes.

        Leaves read the input; so does the memory that comes, and both memory and root are output.
        """
        tree = self.tree(architecture)
        operations, edges = ["input", "c_{t-1}"], [(0, 1)]
        places: list[int] = []
        memory = 0
        for index, node in enumerate(tree.nodes):
            read = [0] if index < tree.leaves else [places[child] for child in tree.children(index)]
            edges += [(place, len(operations)) for place in read]
            places.append(len(operations))
            operations.append(" ".join(node))
            if index == tree.memory:
                memory = places[index]
            if index == tree.injected:
                edges += [(place, len(operations)) for place in (1, places[index])]
                places[index] = len(operations)
                operations.append(" ".join(tree.inject))
        operations += ["c_t", "output"]
        last = len(operations) - 1
        edges += [(memory, last - 1), (last - 1, last), (places[-1], last)]
        adjacency = [[0] * len(operations) for _ in operations]
        for source, target in edges:
            adjacency[source][target] = 1
        return adjacency, operations

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The cell; the first edge into a node shows how it combines and activates."""
        tree = self.tree(architecture)
        inputs = ("x_t", "h_{t-1}", "c_{t-1}")
        names: list[str] = []
        edges: list[CellEdge] = []
        for index, node in enumerate(tree.nodes):
            leaf = index < tree.leaves
            left, right = inputs[:2] if leaf else (names[child] for child in tree.children(index))
            edges += [CellEdge(left, str(index), " ".join(node)), CellEdge(right, str(index), "")]
            names.append(str(index))
            if index == tree.injected:
                names[index] = f"{index}'"
                edges.append(CellEdge(str(index), names[index], " ".join(tree.inject)))
                edges.append(CellEdge(inputs[2], names[index], ""))
        edges += [CellEdge(str(tree.memory), "c_t", ""), CellEdge(names[-1], "h_t", "")]
        return [CellGraph("recurrent", inputs, tuple(edges), "h_t")]
