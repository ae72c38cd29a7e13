"""The cell of the DARTS search network: every operation on every edge (arXiv:1806.09055, eq. 2).

Equal to running each operation by itself and summing, but in a training step under a soft path

* what only depends on the node an edge reads is done once a node: ReLU, pools and their batch
  norms, and the sub-grids below;
* a convolution of dilation 2 is a plain one on the four sub-grids of even and odd pixels, whose
  gradients are fast (see `depthwise`); at stride 2 only the grid of even pixels is left;
* one weight for the whole batch becomes the weight of the last batch norm, and costs nothing;
* `none` is left out.
"""

from __future__ import annotations

from functools import cached_property
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.batch_norm import (
    BatchNorm2d,
    batch_norm,
    update_running_statistics,
    world_size,
)
from squeezenas.nn.cell import CellInputs, CellShape, Kind
from squeezenas.nn.depthwise import depthwise
from squeezenas.nn.family import scaled
from squeezenas.nn.operations import DARTS, NONE, SKIP, SeparableConv, operation
from squeezenas.nn.path import Path

NODES = 4  # beside the two inputs
POOLS = ("max_pool_3x3", "avg_pool_3x3")
SEPARABLE = ("sep_conv_3x3", "sep_conv_5x5")
DILATED = ("dil_conv_3x3", "dil_conv_5x5")


def cell_edges() -> list[tuple[int, int]]:
    """`(node, node it reads)` of the edges of a cell, in the order of the choices."""
    return [(node, source) for node in range(2, 2 + NODES) for source in range(node)]


def edge_key(kind: Kind, node: int, source: int) -> str:
    """The key of an edge's choice, such as `normal.3<1`."""
    return f"{kind}.{node}<{source}"


class SearchCell(nn.Module):
    """Four nodes that read all nodes before them; `forward(before, previous, path)`.

    The pools of all edges from one node are one module: their statistics are those of the node.

    Args:
        shape: what it is built for.

    Attributes:
        edges: for each edge its operations by name.
        width: channels of the output.
    """

    def __init__(self, shape: CellShape) -> None:
        super().__init__()
        self.shape = shape
        self.width = NODES * shape.channels
        self.inputs = CellInputs(shape, searched=True)
        self.edges = nn.ModuleList()
        pools: dict[tuple[str, int], nn.Module] = {}
        for _, source in cell_edges():
            stride = shape.stride(source)
            operations = {}
            for name in DARTS:
                if name in POOLS and (name, source) in pools:
                    operations[name] = pools[name, source]
                elif name != NONE:
                    operations[name] = operation(name, shape.channels, stride, searched=True)
            pools |= {(name, source): operations[name] for name in POOLS}
            self.edges.append(nn.ModuleDict(operations))

    def forward(self, before: Tensor, previous: Tensor, path: Path) -> Tensor:
        """Outputs of the two cells before to `(N, width, H / stride, W / stride)`.

        Args:
            before: output of the cell before the previous one.
            previous: output of the previous cell.
            path: for each edge weights `(8, N)`, or `(8, 1)` for all images.
        """
        nodes = self.inputs(before, previous)
        sources = [Source(x, self.shape.stride(index)) for index, x in enumerate(nodes)]
        edges = iter(cast("list[nn.ModuleDict]", self.edges))
        for node in range(2, 2 + NODES):
            keys = [edge_key(self.shape.kind, node, source) for source in range(node)]
            operations = [next(edges) for _ in keys]
            if path.picks is not None or not self.training:
                terms = [
                    term
                    for key, edge, source in zip(keys, operations, sources, strict=True)
                    for term in one_by_one(edge, source, path, key)
                ]
                mixed = added(terms) if terms else sources[0].nothing()
            else:
                mixed = together(operations, sources, [path[key] for key in keys])
            sources.append(Source(mixed, 1))
        return torch.cat([source.x for source in sources[2:]], dim=1)


def one_by_one(edge: nn.ModuleDict, source: Source, path: Path, key: str) -> list[Tensor]:
    """The terms of one edge, each operation run by itself: the picked one, or all."""
    names = DARTS if path.picks is None else (DARTS[path.picks[key]],)
    weights = dict(zip(DARTS, path[key], strict=True))
    return [scaled(source.behind(name, edge), weights[name]) for name in names if name != NONE]


class Source:
    """A node that edges read, and what they share of it.

    Args:
        x: `(N, C, H, W)`.
        stride: of the operations that read it.
    """

    def __init__(self, x: Tensor, stride: int) -> None:
        self.x, self.stride = x, stride
        self._pooled: dict[str, Tensor] = {}

    @property
    def odd(self) -> bool:
        """Whether its four sub-grids differ in size."""
        return any(side % 2 for side in self.x.shape[-2:])

    def nothing(self) -> Tensor:
        """Zeros in the shape of what reads it: a node all of whose edges are `none`."""
        return torch.zeros_like(self.x[:, :, :: self.stride, :: self.stride])

    @cached_property
    def rectified(self) -> Tensor:
        """ReLU of the node."""
        return torch.relu(self.x)

    @cached_property
    def grids(self) -> Tensor:
        """The grids that kernels of dilation 2 read: all four as a batch, or only the even one."""
        if self.stride == 2:
            return self.rectified[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)
        return sub_grids(self.rectified)

    def behind(self, name: str, edge: nn.ModuleDict) -> Tensor:
        """The node behind an operation of an edge; a pool runs once for all edges."""
        if name not in POOLS:
            return edge[name](self.x)
        if name not in self._pooled:
            self._pooled[name] = edge[name](self.x)
        return self._pooled[name]


def together(edges: list[nn.ModuleDict], sources: list[Source], weights: list[Tensor]) -> Tensor:
    """The sum of all operations of all edges of one node.

    Args:
        edges: the operations of each edge.
        sources: what each edge reads.
        weights: `(8, N)` or `(8, 1)` of each edge.

    Returns:
        `(N, C, H / stride, W / stride)`.
    """
    whole: list[Tensor] = []
    grids: list[Tensor] = []
    for edge, source, rows in zip(edges, sources, weights, strict=True):
        row = dict(zip(DARTS, rows, strict=True))
        for name in (*POOLS, SKIP):
            whole.append(scaled(source.behind(name, edge), row[name]))
        for name in SEPARABLE:
            whole.append(separable(edge[name], source.rectified, source.stride, row[name]))
        for name in DILATED:
            if source.odd and source.stride == 1:
                whole.append(separable(edge[name], source.rectified, 1, row[name], dilation=2))
            else:
                term = separable(edge[name], source.grids, 1, row[name])
                (grids if source.stride == 1 else whole).append(term)
    if grids:
        whole.append(joined_grids(added(grids)))
    return added(whole)


def added(terms: list[Tensor]) -> Tensor:
    """The sum of tensors that nothing else reads, in place of the first."""
    total = terms[0]
    for term in terms[1:]:
        total = total.add_(term)
    return total


def separable(
    module: nn.Module, rectified: Tensor, stride: int, weight: Tensor, dilation: int = 1
) -> Tensor:
    """A depthwise-separable operation behind its first ReLU, times a weight.

    Args:
        module: the operation.
        rectified: `(N, C, H, W)`, or `(4 N, C, H / 2, W / 2)` for sub-grids.
        stride: of the first depthwise convolution.
        weight: `(N,)` or `(1,)`.
        dilation: of the first depthwise convolution; on sub-grids there is none left.
    """
    _, first, mix, norm, *repeat = cast("SeparableConv", module)
    x = mix(depthwise(rectified, cast("Tensor", first.weight), stride, dilation))
    if repeat:
        _, second, mix, last = repeat
        x, norm = mix(second(torch.relu_(norm(x)))), last
    return scaled_norm(cast("BatchNorm2d", norm), x, weight)


def scaled_norm(norm: BatchNorm2d, x: Tensor, weight: Tensor) -> Tensor:
    """A batch norm without weights of its own, in training mode, times one weight or one an image.

    Args:
        norm: the layer; its running statistics move.
        x: `(N, C, H, W)`, or `(4 N, C, H, W)` for the sub-grids of N images.
        weight: `(1,)` or `(N,)`.
    """
    if len(weight) > 1:
        return scaled(norm(x), weight.repeat(len(x) // len(weight)))
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    # Not expanded: the CPU's backward pass reads as many numbers as there are channels.
    scale = weight.to(mean.dtype).repeat(norm.num_features)
    shift = torch.zeros_like(mean)
    if world_size() > 1 or norm.momentum is None:
        y, mean, variance = batch_norm(x, scale, shift, norm.eps)
        update_running_statistics(norm, mean, variance, x.numel() // x.shape[1] * world_size())
        return y
    cast("Tensor", norm.num_batches_tracked).add_(1)
    return F.batch_norm(x, mean, variance, scale, shift, True, norm.momentum, norm.eps)


def sub_grids(x: Tensor) -> Tensor:
    """The four grids of even and odd rows and columns of `(N, C, H, W)`, H and W even.

    Returns:
        The grids as a batch `(4 N, C, H / 2, W / 2)`, channels last.
    """
    rows = x.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
    return rows.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)


def joined_grids(grids: Tensor) -> Tensor:
    """The inverse of `sub_grids`."""
    rows = grids.permute(0, 2, 3, 1).unflatten(0, (2, 2, -1))
    return rows.permute(2, 3, 0, 4, 1, 5).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
