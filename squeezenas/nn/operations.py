"""The operations of convolutional cells: DARTS, ENAS, NASNet.

Each maps `(N, C, H, W)` to `(N, C, ceil(H / stride), ceil(W / stride))`. They are those of the
official code of DARTS (arXiv:1806.09055, section 3.1): ReLU, convolution, batch norm, in this
order. Two settings: in a trained network batch norms have weights and pools have none; in a search
network batch norms have no weights, and pools have one, so that no operation gains by its scale.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from squeezenas.core.registry import nearest
from squeezenas.nn.batch_norm import BatchNorm2d
from squeezenas.nn.inverted_residual import DepthwiseConv2d

NONE, SKIP = "none", "skip_connect"
DARTS = (
    NONE, "max_pool_3x3", "avg_pool_3x3", SKIP,
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
)  # fmt: skip
ENAS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", SKIP)
NASNET = (
    SKIP, "conv_3x1_1x3", "conv_7x1_1x7", "dil_conv_3x3",
    "avg_pool_3x3", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7",
    "conv_1x1", "conv_3x3", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
)  # fmt: skip


class ReLUConvBN(nn.Sequential):
    """ReLU, "same" convolution, batch norm; stride 1 keeps the size."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, searched: bool = False
    ) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
            BatchNorm2d(c_out, affine=not searched),
        )


def require_even(x: Tensor) -> None:
    """Refuses a map `(N, C, H, W)` that cannot be halved.

    Raises:
        ValueError: an odd side.
    """
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError(
            f"a map of {x.shape[2]}x{x.shape[3]} cannot be halved; give images whose sides "
            "are multiples of 4"
        )


class FactorizedReduce(nn.Module):
    """Half the size: ReLU, two 1x1 convolutions on grids one pixel apart, batch norm.

    Maps `(N, c_in, H, W)`, H and W even, to `(N, c_out, H / 2, W / 2)`.
    """

    def __init__(self, c_in: int, c_out: int, searched: bool = False) -> None:
        super().__init__()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out - c_out // 2, 1, 2, bias=False)
        self.norm = BatchNorm2d(c_out, affine=not searched)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H / 2, W / 2)`.

        Raises:
            ValueError: an odd side.
        """
        require_even(x)
        x = torch.relu(x)
        y: Tensor = self.norm(torch.cat((self.even(x), self.odd(x[:, :, 1:, 1:])), dim=1))
        return y


class SeparableConv(nn.Sequential):
    """ReLU, depthwise convolution, 1x1 convolution, batch norm: `repeats` times, strided first."""

    def __init__(
        self,
        channels: int,
        kernel: int,
        stride: int,
        searched: bool,
        *,
        repeats: int = 2,
        dilation: int = 1,
    ) -> None:
        layers: list[nn.Module] = []
        for repeat in range(repeats):
            layers += [
                nn.ReLU(),
                DepthwiseConv2d(channels, kernel, stride if repeat == 0 else 1, dilation),
                nn.Conv2d(channels, channels, 1, bias=False),
                BatchNorm2d(channels, affine=not searched),
            ]
        super().__init__(*layers)


def skip(channels: int, stride: int, searched: bool) -> nn.Module:
    """The identity, or at stride 2 a `FactorizedReduce`."""
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, searched)


def pool(
    kind: type[nn.MaxPool2d | nn.AvgPool2d], kernel: int, channels: int, stride: int, searched: bool
) -> nn.Module:
    """Maximum or mean of a window, pixels outside the map not counted; in a search normalised."""
    outside = {"count_include_pad": False} if kind is nn.AvgPool2d else {}
    layer: nn.Module = kind(kernel, stride, kernel // 2, **outside)
    return nn.Sequential(layer, BatchNorm2d(channels, affine=False)) if searched else layer


def spatially_separable(kernel: int, channels: int, stride: int, searched: bool) -> nn.Module:
    """ReLU, a 1 x k and a k x 1 convolution, batch norm."""
    pad = kernel // 2
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, pad), bias=False),
        nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (pad, 0), bias=False),
        BatchNorm2d(channels, affine=not searched),
    )


Maker = Callable[[int, int, bool], nn.Module]

_OPERATIONS: dict[str, Maker] = {
    SKIP: skip,
    "avg_pool_3x3": lambda *shape: pool(nn.AvgPool2d, 3, *shape),
    "max_pool_3x3": lambda *shape: pool(nn.MaxPool2d, 3, *shape),
    "max_pool_5x5": lambda *shape: pool(nn.MaxPool2d, 5, *shape),
    "max_pool_7x7": lambda *shape: pool(nn.MaxPool2d, 7, *shape),
    "sep_conv_3x3": lambda c, stride, searched: SeparableConv(c, 3, stride, searched),
    "sep_conv_5x5": lambda c, stride, searched: SeparableConv(c, 5, stride, searched),
    "sep_conv_7x7": lambda c, stride, searched: SeparableConv(c, 7, stride, searched),
    "dil_conv_3x3": lambda c, s, searched: SeparableConv(c, 3, s, searched, repeats=1, dilation=2),
    "dil_conv_5x5": lambda c, s, searched: SeparableConv(c, 5, s, searched, repeats=1, dilation=2),
    "conv_1x1": lambda c, stride, searched: ReLUConvBN(c, c, 1, stride, searched),
    "conv_3x3": lambda c, stride, searched: ReLUConvBN(c, c, 3, stride, searched),
    "conv_3x1_1x3": lambda *shape: spatially_separable(3, *shape),
    "conv_7x1_1x7": lambda *shape: spatially_separable(7, *shape),
}


def operation(name: str, channels: int, stride: int, searched: bool = False) -> nn.Module:
    """A new module of one operation; `none` has no module.

    Args:
        name: as in a genotype, such as `sep_conv_3x3`.
        channels: of input and output.
        stride: 1 or 2.
        searched: as in a search network: batch norms without weights, one behind each pool.

    Raises:
        ValueError: unknown operation; names the nearest one.
    """
    if name not in _OPERATIONS:
        raise ValueError(f"unknown operation {name!r}{nearest(name, list(_OPERATIONS))}")
    return _OPERATIONS[name](channels, stride, searched)
