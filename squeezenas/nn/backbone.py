"""The macro-architecture: a stem, a row of units, and the 1x1 convolution behind them, if any.

A supernet and a stand-alone network differ in their units only; networks for segmentation and for
classification in their head only. Everything outside `head.` is the backbone: its names and shapes
do not depend on the head or the classes, so trained weights carry over by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from squeezenas.nn.batch_norm import BatchNorm2d, conv_bn_relu
from squeezenas.nn.inverted_residual import Zero, candidate
from squeezenas.nn.path import Path


@dataclass(frozen=True)
class Macro:
    """What a search does not decide.

    Args:
        stem: channels behind the 3x3 stem.
        blocks: `(channels, repeats, stride of the first unit)` each.
        last: channels of a 1x1 convolution behind the last unit, if any.
        low: index of the unit whose output the head reads at high resolution, by head name.
        middle: channels inside a head for segmentation.
        stem_stride: stride of the stem.
        first: channels of the depthwise separable 3x3 convolution behind the stem, if any.
    """

    stem: int
    blocks: tuple[tuple[int, int, int], ...]
    last: int | None
    low: dict[str, int] = field(default_factory=dict)
    middle: int = 0
    stem_stride: int = 2
    first: int | None = None

    def units(self) -> list[tuple[int, int, int]]:
        """`(c_in, c_out, stride)` of every unit."""
        rows, c_in = [], self.first or self.stem
        for channels, repeats, stride in self.blocks:
            for repeat in range(repeats):
                rows.append((c_in, channels, stride if repeat == 0 else 1))
                c_in = channels
        return rows

    @property
    def deep(self) -> int:
        """Channels that the head reads behind the last unit."""
        return self.last or self.blocks[-1][0]


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


class Backbone(nn.Module):
    """Everything but the head.

    Args:
        macro: channels and strides.
        units: one module a unit of the macro; those of a supernet also take weights and a pick.
        low: index of the unit whose output is given besides the last one's.
        keys: choice keys of the units, for supernets.
    """

    def __init__(
        self, macro: Macro, units: Sequence[nn.Module], low: int = 0, keys: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.keys = tuple(keys)
        self.low = low
        self.stem = _stem(macro)
        self.units = nn.ModuleList(units)
        c_in = macro.units()[-1][1]
        self.last = conv_bn_relu(c_in, macro.last, 1) if macro.last else nn.Identity()

    def features(self, images: Tensor, path: Path | None = None) -> tuple[Tensor, Tensor]:
        """Normalised images `(N, 3, H, W)`, sides multiples of 32, to deep and low features.

        Deep ones are `(N, macro.deep, H / s, W / s)`, s the product of all strides: 16 in the
        macros for segmentation. A supernet needs the path.
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
        return self.last(x), low


def _stem(macro: Macro) -> nn.Sequential:
    stem = conv_bn_relu(3, macro.stem, 3, macro.stem_stride)
    if macro.first is None:
        return stem
    spatial = conv_bn_relu(macro.stem, macro.stem, 3, groups=macro.stem)
    mix = nn.Conv2d(macro.stem, macro.first, 1, bias=False)
    return nn.Sequential(*stem, *spatial, mix, BatchNorm2d(macro.first))
