"""The recurrent space of Efficient Neural Architecture Search (ENAS, arXiv:1802.03268).

Section 2.1: node 0 reads word and state; every other node picks an earlier node and an activation.
The nodes that no other reads are averaged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.config import Strict, Width
from squeezenas.core.space import spaces
from squeezenas.nn.recurrent_cell import Node, Wiring
from squeezenas.nn.recurrent_search_cell import EnasSearchCell, loose_ends
from squeezenas.spaces.recurrent import RecurrentSpace

ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")
"""In the order of the integers in the authors' text."""


class EnasScale(Strict):
    """Sizes of the cell."""

    hidden: Width = 748
    """Values of a word vector, of the state and of every node."""
    nodes: int = Field(12, ge=2, le=1000)
    """Nodes, that of word and state included (N)."""


@spaces.register("enas_rnn")
class EnasRNN(RecurrentSpace):
    """12 nodes with 4 activations: 4^12 * 11! cells.

    The paper gives 4^N * N!, and 1e15 for N = 12. But of N nodes the first reads no other, the
    second has one to read, the last N - 1: that is (N - 1)! and 6.7e14; N! would give 8.0e15.
    """

    name = "enas_rnn"
    Scale: ClassVar[type[Strict]] = EnasScale

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        choices = [Choice("node0.activation", ACTIVATIONS)]
        for node in range(1, self.scale.nodes):
            choices += [
                Choice(f"node{node}.input", tuple(str(earlier) for earlier in range(node))),
                Choice(f"node{node}.activation", ACTIVATIONS),
            ]
        self.choices = tuple(choices)

    def read(self, texts: Sequence[str]) -> Architecture:
        """From the authors' integers, one text: `"0 0 0 1 1 ..."`.

        The first is the activation of node 0; then each node has two, the node it reads and its
        activation. Activations are 0 tanh, 1 relu, 2 identity, 3 sigmoid.

        Raises:
            ValueError: too few or many integers, or one out of range; says which.
        """
        tokens = " ".join(texts).split()
        if len(tokens) != len(self.choices):
            raise ValueError(
                f"{self.name} has {len(self.choices)} integers, one for node 0 and two for each of "
                f"{self.scale.nodes - 1} others, got {len(tokens)}"
            )
        for place, (token, choice) in enumerate(zip(tokens, self.choices, strict=True), 1):
            last = len(choice.options) - 1
            if not re.fullmatch("[0-9]+", token) or int(token) > last:
                raise ValueError(
                    f"{choice.key}: integer {place} is {token!r}; it must be in 0..{last}"
                )
        return self.architecture([int(token) for token in tokens])

    def write(self, architecture: Architecture) -> list[str]:
        """The authors' integers; the inverse of `read`."""
        return [" ".join(str(pick) for pick in architecture.picks)]

    def wiring(self, architecture: Architecture) -> Wiring:
        """The mean of the loose ends is the next state."""
        first, *rest = architecture.picks
        inputs, activations = rest[::2], rest[1::2]
        nodes = zip(inputs, activations, strict=True)
        return Wiring(
            ACTIVATIONS[first],
            tuple(Node(source, ACTIVATIONS[pick]) for source, pick in nodes),
            loose_ends(inputs),
        )

    def search_cell(self) -> EnasSearchCell:
        """All edges and activations."""
        keys = [choice.key for choice in self.choices]
        return EnasSearchCell(
            self.scale.hidden, self.scale.nodes - 1, ACTIVATIONS, keys[1::2], keys[::2]
        )
