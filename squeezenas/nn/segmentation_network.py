"""The macro-architecture: a stem, a row of units, a head.

A supernet and a stand-alone network differ in their units only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.batch_norm import conv_bn_relu
from squeezenas.nn.heads import HEADS
from squeezenas.nn.inverted_residual import Zero, candidate
from squeezenas.nn.path import Path


@dataclass(frozen=True)
class Macro:
    """What a search does not decide.

    Args:
        stem: channels behind the 3x3 stride-2 stem.
        blocks: `(channels, repeats, stride of the first unit)` each.
        last: channels of a 1x1 convolution behind the last unit, if any.
        low: index of the unit whose output the head reads at high resolution, by head name.
        middle: channels inside the head.
    """

    stem: int
    blocks: tuple[tuple[int, int, int], ...]
    last: int | None
    low: dict[str, int]
    middle: int

    def units(self) -> list[tuple[int, int, int]]:
        """`(c_in, c_out, stride)` of every unit."""
        rows, c_in = [], self.stem
        for channels, repeats, stride in self.blocks:
            for repeat in range(repeats):
                rows.append((c_in, channels, stride if repeat == 0 else 1))
                c_in = channels
        return rows


class Unit(nn.Module):
    """One chosen candidate, and the identity where the shape allows it."""

    def __init__(self, option: str, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.identity = stride == 1 and c_in == c_out
        self.op = candidate(option, c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H / stride, W / stride)`."""
        if isinstance(self.op, Zero):
            return x
        y: Tensor = self.op(x)
        return x + y if self.identity else y


class SegmentationNetwork(nn.Module):
    """Stem, units and head; logits in the size of the image.

    Args:
        macro: channels and strides.
        units: one module a unit of the macro; those of a supernet also take weights and a pick.
        classes: number of classes.
        head: `lr_aspp` or `deeplabv3plus`.
        keys: choice keys of the units, for supernets.
    """

    def __init__(
        self,
        macro: Macro,
        units: Sequence[nn.Module],
        classes: int,
        head: str,
        keys: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.keys = tuple(keys)
        self.low = macro.low[head]
        shapes = macro.units()
        self.stem = conv_bn_relu(3, macro.stem, 3, 2)
        self.units = nn.ModuleList(units)
        c_out = macro.last or shapes[-1][1]
        self.last = conv_bn_relu(shapes[-1][1], c_out, 1) if macro.last else nn.Identity()
        self.head = HEADS[head](c_out, shapes[self.low][1], macro.middle, classes)

    def forward(self, images: Tensor, path: Path | None = None) -> Tensor:
        """Normalised images `(N, 3, H, W)`, sides multiples of 32, to logits `(N, classes, H, W)`.

        A supernet needs the path.
        """
        x = self.stem(images)
        low = x
        for index, unit in enumerate(self.units):
            if path is None:
                x = unit(x)
            else:
                key = self.keys[index]
                x = unit(x, path[key], path.picks[key] if path.picks else None)
            if index == self.low:
                low = x
        logits = self.head(self.last(x), low)
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=True)
