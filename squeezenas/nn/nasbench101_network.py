"""The network of NAS-Bench-101 (arXiv:1902.09635, sections 2.1 and 2.2, figure 1).

A stem, three stacks of equal cells and, between the stacks, a 2x2 max pool; channels double from
stack to stack. In a cell an operation reads the sum of the vertices it reads, cut to its channels;
the output is what leads into it side by side, and the channels are shared out so that it has the
right width. What comes from the cell's input goes through a 1x1 convolution first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from squeezenas.nn.batch_norm import conv_bn_relu
from squeezenas.nn.cell_heads import CellHead

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""In the order of the authors' integers."""


class PrunedCell(NamedTuple):
    """A cell all of whose vertices lie on a way from input to output.

    Args:
        matrix: `matrix[a][b]` is 1 where b reads a; a is before b.
        operations: `input`, those of the vertices between, `output`.
    """

    matrix: tuple[tuple[int, ...], ...]
    operations: tuple[str, ...]


def vertex_channels(matrix: Sequence[Sequence[int]], c_in: int, c_out: int) -> list[int]:
    """Channels of every vertex (section 2.2 and the authors' code).

    Those that lead into the output share its channels, the first ones taking what is left over;
    any other has as many as the widest that reads it.
    """
    last = len(matrix) - 1
    channels = [c_in, *[0] * (last - 1), c_out]
    leading = [v for v in range(1, last) if matrix[v][last]]
    for position, vertex in enumerate(leading):
        channels[vertex] = c_out // len(leading) + (position < c_out % len(leading))
    for vertex in range(last - 1, 0, -1):
        if vertex not in leading:
            channels[vertex] = max(channels[b] for b in range(vertex, last) if matrix[vertex][b])
    return channels


def operation(name: str, channels: int) -> nn.Module:
    """A new module of one operation, `(N, C, H, W)` to the same shape."""
    if name == "maxpool3x3":
        return nn.MaxPool2d(3, 1, 1)
    return conv_bn_relu(channels, channels, int(name[4]))


class ModuleCell(nn.Module):
    """One cell.

    Args:
        cell: what it computes.
        c_in: channels of its input.
        c_out: channels of its output.
    """

    def __init__(self, cell: PrunedCell, c_in: int, c_out: int) -> None:
        super().__init__()
        self.matrix = cell.matrix
        self.last = len(cell.matrix) - 1
        self.channels = vertex_channels(cell.matrix, c_in, c_out)
        self.projections = nn.ModuleDict(
            {
                str(v): conv_bn_relu(c_in, self.channels[v], 1)
                for v in range(1, self.last + 1)
                if cell.matrix[0][v]
            }
        )
        self.operations = nn.ModuleList(
            operation(cell.operations[v], self.channels[v]) for v in range(1, self.last)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H, W)`."""
        vertices = [x]
        for vertex, apply in enumerate(self.operations, 1):
            terms = [
                vertices[source][:, : self.channels[vertex]]
                for source in range(1, vertex)
                if self.matrix[source][vertex]
            ]
            vertices.append(apply(self._sum(vertex, x, terms)))
        leading = [vertices[v] for v in range(1, self.last) if self.matrix[v][self.last]]
        return self._sum(self.last, x, [torch.cat(leading, dim=1)] if leading else [])

    def _sum(self, vertex: int, x: Tensor, terms: list[Tensor]) -> Tensor:
        """The terms and, where the vertex reads the cell's input, its projection."""
        if self.matrix[0][vertex]:
            terms = [*terms, self.projections[str(vertex)](x)]
        return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]


class NASBench101Network(nn.Module):
    """Images to logits.

    Args:
        cell: what is repeated.
        cells: cells of a stack.
        channels: of the first stack.
        classes: number of classes.
    """

    def __init__(self, cell: PrunedCell, cells: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, channels, 3)
        stacks: list[nn.Module] = []
        previous = channels
        for stack in range(3):
            if stack:
                stacks.append(nn.MaxPool2d(2))
                channels *= 2
            for _ in range(cells):
                stacks.append(ModuleCell(cell, previous, channels))
                previous = channels
        self.cells = nn.Sequential(*stacks)
        self.head = CellHead(previous, classes, None)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images `(N, 3, H, W)`, sides of 4 pixels or more, to logits `(N, classes)`."""
        logits: Tensor = self.head(self.cells(self.stem(images)), None)
        return logits
