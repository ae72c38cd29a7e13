"""A convolutional cell: what is searched, and repeated in the network (NASNet, arXiv:1707.07012).

Nodes 0 and 1 are the outputs of the two cells before, each brought to the cell's channels and size;
every further node adds two operations on earlier nodes. The cell gives some nodes side by side. In
a reduction cell the operations on nodes 0 and 1 have stride 2. As in the official code of DARTS.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from squeezenas.nn.drop_path import DropPath
from squeezenas.nn.operations import FactorizedReduce, ReLUConvBN, operation

Kind = Literal["normal", "reduce"]
KINDS: tuple[Kind, Kind] = ("normal", "reduce")


class CellGenotype(NamedTuple):
    """One cell.

    Args:
        edges: `(operation, node it reads)`, two for each node from node 2 on.
        concat: nodes that are the output.
    """

    edges: tuple[tuple[str, int], ...]
    concat: tuple[int, ...]


class Genotype(NamedTuple):
    """Both cells of a network."""

    normal: CellGenotype
    reduce: CellGenotype

    def cell(self, kind: Kind) -> CellGenotype:
        """The cell of that kind."""
        return self.normal if kind == "normal" else self.reduce


class CellShape(NamedTuple):
    """What a cell is built for.

    Args:
        kind: normal or reduce.
        channels: of every node.
        c_before: channels of the output of the cell before the previous one.
        c_previous: channels of the output of the previous cell.
        halve: whether the former is twice as large as the latter.
    """

    kind: Kind
    channels: int
    c_before: int
    c_previous: int
    halve: bool

    def stride(self, source: int) -> int:
        """Of an operation that reads this node."""
        return 2 if self.kind == "reduce" and source < 2 else 1


class CellInputs(nn.Module):
    """Nodes 0 and 1: both inputs in the channels and the size of the cell.

    Args:
        shape: what the cell is built for.
        searched: with batch norms of a search network.
        read: which of the two the cell reads; the other has no weights and passes as it is.
    """

    def __init__(self, shape: CellShape, searched: bool, read: Collection[int] = (0, 1)) -> None:
        super().__init__()
        self.before: nn.Module = nn.Identity()
        self.previous: nn.Module = nn.Identity()
        if 0 in read:
            layer = FactorizedReduce if shape.halve else ReLUConvBN
            self.before = layer(shape.c_before, shape.channels, searched=searched)
        if 1 in read:
            self.previous = ReLUConvBN(shape.c_previous, shape.channels, searched=searched)

    def forward(self, before: Tensor, previous: Tensor) -> list[Tensor]:
        """Outputs of the two cells before to two tensors `(N, channels, H, W)`."""
        return [self.before(before), self.previous(previous)]


class Cell(nn.Module):
    """A cell of one genotype.

    Args:
        genotype: the cell.
        shape: what it is built for.
        searched: with the operations of a search network.

    Attributes:
        width: channels of the output.
    """

    def __init__(self, genotype: CellGenotype, shape: CellShape, searched: bool = False) -> None:
        super().__init__()
        self.genotype = genotype
        self.width = len(genotype.concat) * shape.channels
        read = {source for _, source in genotype.edges}
        self.inputs = CellInputs(shape, searched, read)
        self.operations = nn.ModuleList(
            operation(name, shape.channels, shape.stride(source), searched)
            for name, source in genotype.edges
        )
        self.drop_path = DropPath()

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """Outputs of the two cells before to `(N, width, H / stride, W / stride)`.

        An identity is never dropped (arXiv:1806.09055, official code).
        """
        nodes = self.inputs(before, previous)
        terms = []
        for module, (_, source) in zip(self.operations, self.genotype.edges, strict=True):
            term = module(nodes[source])
            terms.append(term if isinstance(module, nn.Identity) else self.drop_path(term))
            if len(terms) % 2 == 0:
                nodes.append(terms[-2] + terms[-1])
        return torch.cat([nodes[node] for node in self.genotype.concat], dim=1)
