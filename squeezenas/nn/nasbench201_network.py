"""The network of NAS-Bench-201 (arXiv:2001.00326, section 2.1), for training and for search.

A stem, three stages of equal cells and, between the stages, residual blocks that halve the maps
and double the channels. In a cell every node is the sum of an operation on each node before it; a
stand-alone network has one operation an edge, a supernet all of them.

The batch norms of a searched cell have no weights, as in the authors' searches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from squeezenas.nn.batch_norm import BatchNorm2d
from squeezenas.nn.cell_heads import CellHead
from squeezenas.nn.family import scaled
from squeezenas.nn.operations import NONE, SKIP, ReLUConvBN, pool, require_even
from squeezenas.nn.path import Path

OPERATIONS = (NONE, SKIP, "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the order of the authors."""
EDGES = tuple((target, source) for target in range(1, 4) for source in range(target))
"""`(node, node it reads)`, in the order of the authors' texts."""


def edge_key(target: int, source: int) -> str:
    """Choice key of an edge, such as `2<0`."""
    return f"{target}<{source}"


def operation(name: str, channels: int, searched: bool) -> nn.Module:
    """A new module of one operation, `(N, C, H, W)` to the same shape; `none` has no module."""
    if name == SKIP:
        return nn.Identity()
    if name == "avg_pool_3x3":
        return pool(nn.AvgPool2d, 3, channels, 1, searched=False)
    return ReLUConvBN(channels, channels, int(name[-1]), searched=searched)


class EdgeCell(nn.Module):
    """Four nodes; each sums what its edges make of the nodes before.

    Args:
        channels: of every node.
        options: the operations of each edge by choice key; one in a stand-alone network.
        searched: whether its batch norms have no weights.
    """

    def __init__(self, channels: int, options: Mapping[str, Sequence[str]], searched: bool) -> None:
        super().__init__()
        self.options = {key: tuple(names) for key, names in options.items()}
        self.edges = nn.ModuleDict(
            {
                key: nn.ModuleDict(
                    {name: operation(name, channels, searched) for name in names if name != NONE}
                )
                for key, names in options.items()
            }
        )

    def forward(self, x: Tensor, path: Path | None) -> Tensor:
        """`(N, C, H, W)` to the same shape; a supernet needs the path."""
        nodes = [x]
        for target in range(1, 4):
            terms = [
                term
                for source, node in enumerate(nodes)
                for term in self._terms(edge_key(target, source), node, path)
            ]
            nodes.append(torch.stack(terms).sum(0) if terms else torch.zeros_like(x))
        return nodes[-1]

    def _terms(self, key: str, x: Tensor, path: Path | None) -> list[Tensor]:
        """What the operations of one edge give, each times its weight."""
        modules = cast("nn.ModuleDict", self.edges[key])
        if path is None:
            return [module(x) for module in modules.values()]
        picked = None if path.picks is None else self.options[key][path.picks[key]]
        return [
            scaled(modules[name](x), row)
            for name, row in zip(self.options[key], path[key], strict=True)
            if name != NONE and picked in (None, name)
        ]


class Reduction(nn.Module):
    """Residual block of stride 2: two 3x3 convolutions beside a mean of 2x2 and a 1x1 convolution.

    Maps `(N, c_in, H, W)`, H and W even, to `(N, 2 c_in, H / 2, W / 2)`.
    """

    def __init__(self, c_in: int) -> None:
        super().__init__()
        c_out = 2 * c_in
        strided, plain = ReLUConvBN(c_in, c_out, 3, 2), ReLUConvBN(c_out, c_out, 3)
        self.convolutions = nn.Sequential(strided, plain)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, 2 c_in, H / 2, W / 2)`.

        Raises:
            ValueError: an odd side.
        """
        require_even(x)
        reduced: Tensor = self.convolutions(x) + self.shortcut(x)
        return reduced


class NASBench201Network(nn.Module):
    """Images to logits.

    Args:
        options: the operations of each edge by choice key.
        cells: cells of a stage.
        channels: of the first stage.
        classes: number of classes.
        searched: whether the batch norms of cells have no weights.
    """

    def __init__(
        self,
        options: Mapping[str, Sequence[str]],
        cells: int,
        channels: int,
        classes: int,
        searched: bool,
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stage in range(3):
            if stage:
                self.cells.append(Reduction(channels))
                channels *= 2
            self.cells.extend(EdgeCell(channels, options, searched) for _ in range(cells))
        self.norm = nn.Sequential(BatchNorm2d(channels), nn.ReLU())
        self.head = CellHead(channels, classes, None)

    def forward(self, images: Tensor, path: Path | None = None) -> Tensor:
        """Normalised images `(N, 3, H, W)`, sides multiples of 4, to logits `(N, classes)`.

        A supernet needs the path.
        """
        x = self.stem(images)
        for cell in self.cells:
            x = cell(x, path) if isinstance(cell, EdgeCell) else cell(x)
        logits: Tensor = self.head(self.norm(x), None)
        return logits
