"""The argmax of bilinearly upsampled logits, without upsampling them where it cannot matter.

A bilinear blend is convex: where a class is the best at all four corners of a cell, it is the best
everywhere inside. Only the other cells, those that a boundary crosses (a tenth, on street scenes),
are interpolated, a few at a time; no map of all classes in full size is ever made.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

TILE = 1 << 19  # interpolated logits at a time: 2 MiB, what a core's cache holds


class Axis(NamedTuple):
    """One side of the picture: where its pixels lie between the positions of the logits.

    Args:
        cell: the cell of each pixel, `(pixels,)`; a cell lies between two neighbouring positions.
        weight: how far each pixel is from the cell's first position to its second, in 0..1.
        first: the first pixel of each cell, `(cells,)`.
        extent: pixels of each cell, `(cells,)`.
    """

    cell: Tensor
    weight: Tensor
    first: Tensor
    extent: Tensor

    @staticmethod
    def of(positions: int, size: int, kept: int, align_corners: bool, device: torch.device) -> Axis:
        """The first `kept` of `size` pixels over so many positions, computed as PyTorch does."""
        pixels = torch.arange(kept, dtype=torch.float32, device=device)
        if align_corners:
            at = pixels * torch.tensor((positions - 1) / (size - 1), dtype=torch.float32)
        else:
            at = ((pixels + 0.5) * torch.tensor(positions / size) - 0.5).clamp(min=0)
        cell = at.long().clamp(max=positions - 2)
        extent = torch.bincount(cell)
        return Axis(cell, (at - cell).clamp(max=1), extent.cumsum(0) - extent, extent)

    def pixels(self, cells: Tensor) -> Tensor:
        """Pixels of some cells, `(cells, largest extent)`; short ones repeat their last."""
        steps = torch.arange(int(self.extent.max()), device=cells.device)
        return self.first[cells, None] + torch.minimum(steps, self.extent[cells, None] - 1)


def upsampled_labels(
    logits: Tensor, size: tuple[int, int], kept: tuple[int, int], align_corners: bool = True
) -> Tensor:
    """What `interpolate(logits, size, mode="bilinear").argmax(1)` gives, cut to `kept`.

    Args:
        logits: `(N, classes, h, w)`, at most 256 classes, h and w at least 2.
        size: height and width after upsampling; not below those of the logits.
        kept: height and width of what is returned, its upper left part.
        align_corners: as in `torch.nn.functional.interpolate`.

    Returns:
        Classes `(N, *kept)`, uint8.
    """
    # Classes last: all logits of a position are one row of memory.
    values = logits.float().permute(0, 2, 3, 1).contiguous()
    device = logits.device
    rows, columns = (
        Axis.of(positions, side, part, align_corners, device)
        for positions, side, part in zip(logits.shape[-2:], size, kept, strict=True)
    )
    best = values.argmax(-1).to(torch.uint8)
    labels = best.index_select(2, columns.cell).index_select(1, rows.cell)
    height, width = len(rows.extent), len(columns.extent)
    first = best[:, :height, :width]
    differ = first != best[:, 1 : height + 1, :width]
    differ |= first != best[:, :height, 1 : width + 1]
    differ |= first != best[:, 1 : height + 1, 1 : width + 1]
    cells = differ.nonzero()
    largest = int(rows.extent.max()) * int(columns.extent.max())
    for image, row, column in (
        part.unbind(1) for part in cells.split(max(1, TILE // (largest * values.shape[-1])))
    ):
        y, x = rows.pixels(row), columns.pixels(column)
        down, right = rows.weight[y][:, :, None, None], columns.weight[x][:, :, None]
        upper = torch.lerp(
            values[image, row, column, None], values[image, row, column + 1, None], right
        )
        lower = torch.lerp(
            values[image, row + 1, column, None], values[image, row + 1, column + 1, None], right
        )
        found = torch.lerp(upper[:, None], lower[:, None], down).argmax(-1).to(torch.uint8)
        labels[image[:, None, None], y[:, :, None], x[:, None]] = found
    return labels


def graph_labels(logits: Tensor, size: tuple[int, int], kept: tuple[int, int]) -> Tensor:
    """`upsampled_labels` in operations that can be exported, for sizes that may stay open.

    All pixels of the cells to be interpolated are so at once: in the worst case that takes as much
    memory as the upsampled logits.
    """
    height, width = logits.shape[-2:]
    row, down = _places(height, size[0], kept[0])
    column, _ = _places(width, size[1], kept[1])
    best = logits.argmax(1)
    first = best[:, :-1, :-1]
    differ = (first != best[:, 1:, :-1]) | (first != best[:, :-1, 1:]) | (first != best[:, 1:, 1:])
    labels = best.to(torch.uint8).index_select(2, column).index_select(1, row)
    inside = differ.to(torch.uint8).index_select(2, column).index_select(1, row)
    # ONNX Runtime does not take the argmax of nothing: one pixel is always interpolated.
    corner = torch.zeros((1, 3), dtype=torch.long)
    image, y, x = torch.cat((inside.nonzero(), corner)).unbind(1)
    wide = torch.nn.functional.interpolate(
        logits, (height, size[1]), mode="bilinear", align_corners=True
    ).permute(0, 2, 3, 1)
    upper, lower = wide[image, row[y], x], wide[image, row[y] + 1, x]
    found = (upper + (lower - upper) * down[y, None]).argmax(-1).to(torch.uint8)
    return labels.index_put((image, y, x), found)


def _places(positions: int, size: int, kept: int) -> tuple[Tensor, Tensor]:
    """Cell and weight of the first `kept` pixels, as `Axis` has them."""
    at = torch.arange(size, dtype=torch.float32)[:kept] * ((positions - 1) / (size - 1))
    cell = at.long().clamp(max=positions - 2)
    return cell, at - cell
