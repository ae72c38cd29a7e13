"""The network of cells: a stem, a row of cells, a classifier (arXiv:1806.09055, section 3.1.1).

Channels double in each of the two reduction cells, at a third and two thirds of the depth. What a
cell is, a maker of cells decides: one of a genotype, or one that holds a whole search space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from squeezenas.nn.batch_norm import BatchNorm2d
from squeezenas.nn.cell import CellShape, Kind
from squeezenas.nn.cell_heads import AuxiliaryClassifier, CellHead
from squeezenas.nn.path import Path

StemKind = Literal["cifar", "imagenet"]
STEM_WIDTH = 3  # channels of the CIFAR stem in units of those of the first cell


class CifarStem(nn.Sequential):
    """3x3 convolution and batch norm at full size; both inputs of the first cell."""

    def __init__(self, channels: int) -> None:
        self.width = STEM_WIDTH * channels
        super().__init__(nn.Conv2d(3, self.width, 3, 1, 1, bias=False), BatchNorm2d(self.width))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, 3, H, W)` to twice the same `(N, width, H, W)`."""
        x = super().forward(images)
        return x, x


class ImageNetStem(nn.Module):
    """Strided 3x3 convolutions; the first cell's inputs at a quarter and an eighth of the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = channels
        self.quarter = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, 2, 1, bias=False),
            BatchNorm2d(channels // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 2, channels, 3, 2, 1, bias=False),
            BatchNorm2d(channels),
        )
        self.eighth = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 3, 2, 1, bias=False), BatchNorm2d(channels)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, 3, H, W)` to `(N, width, H / 4, W / 4)` and `(N, width, H / 8, W / 8)`."""
        quarter = self.quarter(images)
        return quarter, self.eighth(quarter)


class CellNetwork(nn.Module):
    """Images to logits; a supernet where the cells hold a whole search space.

    Args:
        make: from a shape to a cell, a module with a `width`.
        cells: number of cells.
        channels: of the nodes of the first cell.
        stem: `cifar` keeps the size of the images, `imagenet` divides it by eight.
        classes: number of classes.
        auxiliary: whether a classifier behind the second reduction cell is trained too.
    """

    def __init__(
        self,
        make: Callable[[CellShape], nn.Module],
        cells: int,
        channels: int,
        stem: StemKind,
        classes: int,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.stem = CifarStem(channels) if stem == "cifar" else ImageNetStem(channels)
        self.middle = 2 * cells // 3
        kinds = cell_kinds(cells)
        before = previous = self.stem.width
        halve = stem == "imagenet"
        self.cells = nn.ModuleList()
        for index, kind in enumerate(kinds):
            channels *= 2 if kind == "reduce" else 1
            cell = make(CellShape(kind, channels, before, previous, halve))
            before, previous, halve = previous, int(cell.width), kind == "reduce"  # type: ignore[arg-type]
            self.cells.append(cell)
            if index == self.middle:
                c_middle = previous
        side = AuxiliaryClassifier(c_middle, classes, stem == "imagenet") if auxiliary else None
        self.head = CellHead(previous, classes, side)

    def forward(self, images: Tensor, path: Path | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Normalised images `(N, 3, H, W)` to logits `(N, classes)`; a supernet needs the path.

        H and W are multiples of 4 with the CIFAR stem, of 32 with that of ImageNet.

        Returns:
            Logits; in training mode with an auxiliary classifier also its logits.
        """
        before, previous = self.stem(images)
        middle = None
        for index, cell in enumerate(self.cells):
            arguments = (before, previous) if path is None else (before, previous, path)
            before, previous = previous, cell(*arguments)
            if index == self.middle:
                middle = previous
        logits: Tensor | tuple[Tensor, Tensor] = self.head(previous, middle)
        return logits


def cell_kinds(cells: int) -> list[Kind]:
    """Which cells of a network reduce: those at one and two thirds of the depth."""
    return ["reduce" if i in (cells // 3, 2 * cells // 3) else "normal" for i in range(cells)]
