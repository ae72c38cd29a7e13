"""The candidates of a unit of a chain: inverted residuals and a skip.

The inverted residual is MobileNetV2's (arXiv:1801.04381) with a ReLU. SqueezeNAS (arXiv:1908.01748,
section 3) has optional groups in both 1x1 convolutions and optional dilation of the depthwise one;
FBNet (arXiv:1812.03443, section 3.1) shuffles the channels of the groups.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from squeezenas.nn.batch_norm import BatchNorm2d
from squeezenas.nn.depthwise import depthwise

SKIP = "skip"
SHUFFLED = "_shuffled"
"""Ends the text of a candidate whose groups exchange their channels: `k3_e1_g2_shuffled`."""


class Bottleneck(NamedTuple):
    """What an option's text says: `k3_e6_g1_d2` is kernel 3, expansion 6, groups 1, dilation 2.

    Groups and dilation are 1 where they are left out.
    """

    kernel: int
    expansion: int
    groups: int
    dilation: int

    @staticmethod
    def parse(option: str) -> Bottleneck:
        """Reads an option's text.

        Raises:
            ValueError: not `k<kernel>_e<expansion>`, with `_g<groups>`, `_d<dilation>` or without.
        """
        match = re.fullmatch(r"k(\d+)_e(\d+)(?:_g(\d+))?(?:_d(\d+))?", option)
        if match is None:
            raise ValueError(f"{option!r} is not a candidate such as 'k3_e6_g1_d2' or 'skip'")
        return Bottleneck(*(int(number or 1) for number in match.groups()))


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise `nn.Conv2d` with "same" padding, no bias and a fast backward pass on CPUs."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            channels, channels, kernel, stride, padding, dilation, channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, C, ceil(H / stride), ceil(W / stride))`."""
        return depthwise(x, self.weight, self.stride[0], self.dilation[0])


class InvertedResidual(nn.Sequential):
    """1x1 convolution, batch norm, ReLU; depthwise, batch norm, ReLU; 1x1 convolution, batch norm.

    Maps `(N, c_in, H, W)` to `(N, c_out, ceil(H / stride), ceil(W / stride))`. The identity that
    may be added belongs to the unit around it.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, bottleneck: Bottleneck) -> None:
        kernel, expansion, groups, dilation = bottleneck
        middle = round(c_in * expansion)
        super().__init__(
            nn.Conv2d(c_in, middle, 1, groups=groups, bias=False),
            BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            DepthwiseConv2d(middle, kernel, stride, dilation),
            BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, c_out, 1, groups=groups, bias=False),
            BatchNorm2d(c_out),
        )

    @property
    def convolutions(self) -> tuple[nn.Conv2d, DepthwiseConv2d, nn.Conv2d]:
        """Expansion, depthwise convolution, projection."""
        return cast("tuple[nn.Conv2d, DepthwiseConv2d, nn.Conv2d]", (self[0], self[3], self[6]))

    @property
    def norms(self) -> tuple[BatchNorm2d, BatchNorm2d, BatchNorm2d]:
        """The batch norm behind each of the convolutions."""
        return cast("tuple[BatchNorm2d, BatchNorm2d, BatchNorm2d]", (self[1], self[4], self[7]))


class ChannelShuffle(nn.Module):
    """Deals the channels of each group out to all groups (ShuffleNet, arXiv:1707.01083)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same shape."""
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


class ShuffledResidual(nn.Sequential):
    """An `InvertedResidual` that shuffles the channels in front of its depthwise convolution."""

    def __init__(self, c_in: int, c_out: int, stride: int, bottleneck: Bottleneck) -> None:
        plain = list(InvertedResidual(c_in, c_out, stride, bottleneck))
        super().__init__(*plain[:3], ChannelShuffle(bottleneck.groups), *plain[3:])


class Zero(nn.Module):
    """Contributes nothing: what `skip` is where the unit's own identity remains."""

    def forward(self, x: Tensor) -> Tensor:
        """Zeros in the shape of `x`."""
        return torch.zeros_like(x)


class Halve(nn.Module):
    """`skip` at stride 2: ReLU, then two 1x1 stride-2 convolutions on grids one pixel apart.

    Maps `(N, c_in, H, W)`, H and W even, to `(N, c_out, H / 2, W / 2)`.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False), BatchNorm2d(c_out // 2)
        )
        self.conv2 = nn.Sequential(
            nn.Conv2d(c_in, c_out - c_out // 2, 1, 2, bias=False), BatchNorm2d(c_out - c_out // 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H / 2, W / 2)`."""
        x = torch.relu(x)
        return torch.cat((self.conv1(x), self.conv2(x[:, :, 1:, 1:])), dim=1)


def candidate(option: str, c_in: int, c_out: int, stride: int) -> nn.Module:
    """A new module of one option of a unit.

    Raises:
        ValueError: unknown option text.
    """
    if option.endswith(SHUFFLED):
        bottleneck = Bottleneck.parse(option.removesuffix(SHUFFLED))
        return ShuffledResidual(c_in, c_out, stride, bottleneck)
    if option != SKIP:
        return InvertedResidual(c_in, c_out, stride, Bottleneck.parse(option))
    if stride == 2:
        return Halve(c_in, c_out)
    if c_in == c_out:
        return Zero()
    conv = nn.Conv2d(c_in, c_out, 1, bias=False)
    return nn.Sequential(nn.ReLU(), conv, BatchNorm2d(c_out))
