"""The recurrent cell of Neural Architecture Search with Reinforcement Learning (arXiv:1611.01578,
section 3.4): a binary tree with a memory.

With B leaves, node i < B is a leaf and combines the word with the previous state, node B + j
combines nodes 2j and 2j + 1; all then apply an activation:

    a_i = f_i(W_i x_t  o_i  U_i h_{t-1})            a_{B+j} = f_{B+j}(a_{2j}  o_{B+j}  a_{2j+1})

with o a sum or an elementwise product. Behind one node the memory is injected, a := f(a o c_{t-1});
what a node, the same or another, has combined before its activation is c_t; h_t is the last node.
Only leaves have weights, no node has a bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.dropout_config import Dropout
from squeezenas.nn.locked_dropout import locked_dropout, locked_mask, masked
from squeezenas.nn.path import Path
from squeezenas.nn.recurrent_cell import ACTIVATIONS, INIT_RANGE, Recurrent, State

COMBINATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "elem_mult": torch.mul,
}


class TreeNode(NamedTuple):
    """How two values become one."""

    combination: str
    activation: str


class Tree(NamedTuple):
    """One cell.

    Args:
        nodes: the leaves, then the nodes above them, the root last; an odd number.
        inject: how the memory joins a node.
        memory: the node whose combination is the next memory.
        injected: the node that the memory joins.
    """

    nodes: tuple[TreeNode, ...]
    inject: TreeNode
    memory: int
    injected: int

    @property
    def leaves(self) -> int:
        """Number of leaves: the paper's base number."""
        return (len(self.nodes) + 1) // 2

    def children(self, node: int) -> tuple[int, int]:
        """The two nodes that a node above the leaves combines."""
        first = 2 * (node - self.leaves)
        return first, first + 1


class TreeCell(Recurrent):
    """The cell of one architecture; its state is `h` and the memory `c`.

    Args:
        hidden: values of a word vector, of the state and of every node (H).
        tree: the cell.
    """

    def __init__(self, hidden: int, tree: Tree) -> None:
        super().__init__()
        self.hidden, self.tree = hidden, tree
        self.of_input = nn.Parameter(torch.empty(tree.leaves * hidden, hidden))
        self.of_state = nn.Parameter(torch.empty(tree.leaves * hidden, hidden))
        for weight in (self.of_input, self.of_state):
            nn.init.uniform_(weight, -INIT_RANGE, INIT_RANGE)

    def initial_state(self, batch: int) -> State:
        """State and memory of zeros, both `(1, batch, H)`."""
        zeros = self.of_input.new_zeros(1, batch, self.hidden)
        return zeros, zeros

    def forward(
        self, inputs: Tensor, state: State, dropout: Dropout, path: Path | None = None
    ) -> tuple[Tensor, State]:
        """See `Recurrent`; one mask serves the state at all times."""
        hidden, memory = (part[0] for part in state)
        products = F.linear(locked_dropout(inputs, dropout.cell), self.of_input)
        mask = locked_mask(hidden, dropout.hidden)
        states = []
        for product in products:
            recurrent = F.linear(masked(hidden, mask), self.of_state)
            hidden, memory = self._climbed(product, recurrent, memory)
            states.append(hidden)
        return torch.stack(states), (hidden.unsqueeze(0), memory.unsqueeze(0))

    def _climbed(self, product: Tensor, recurrent: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, B * H)` of the word, as many of the state, and c `(N, H)` to the next h and c."""
        tree, following = self.tree, memory
        # Where autocast makes the products narrow, state and memory keep their type.
        parts = (part.to(memory.dtype).chunk(tree.leaves, -1) for part in (product, recurrent))
        pairs = [*zip(*parts, strict=True)]
        values: list[Tensor] = []
        for index, (combination, activation) in enumerate(tree.nodes):
            if index < tree.leaves:
                left, right = pairs[index]
            else:
                left, right = (values[child] for child in tree.children(index))
            combined = COMBINATIONS[combination](left, right)
            value = ACTIVATIONS[activation](combined)
            if index == tree.memory:
                following = combined
            if index == tree.injected:
                joined = COMBINATIONS[tree.inject.combination](value, memory)
                value = ACTIVATIONS[tree.inject.activation](joined)
            values.append(value)
        return values[-1], following
