"""The DARTS search network as a plain program: PyTorch's own layers, every operation by itself.

Nothing is shared and nothing rewritten. Its parameters have the names of the fast network's, so one
state fits both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

NAMES = (
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
)  # fmt: skip


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=False)


def relu_conv_bn(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c_out, 1, bias=False), norm(c_out))


class PlainReduce(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False)
        self.norm = norm(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = x.relu()
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))


def depthwise(channels: int, kernel: int, stride: int, dilation: int) -> Iterator[nn.Module]:
    """ReLU, depthwise and 1x1 convolution, batch norm."""
    yield nn.ReLU()
    yield nn.Conv2d(
        channels, channels, kernel, stride, dilation * (kernel // 2), dilation, channels, bias=False
    )
    yield nn.Conv2d(channels, channels, 1, bias=False)
    yield norm(channels)


def plain_operation(name: str, channels: int, stride: int) -> nn.Module:
    kernel = 5 if "5x5" in name else 3
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, 1), norm(channels))
    if name == "avg_pool_3x3":
        pool = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
        return nn.Sequential(pool, norm(channels))
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else PlainReduce(channels, channels)
    if name.startswith("dil"):
        return nn.Sequential(*depthwise(channels, kernel, stride, 2))
    first, second = depthwise(channels, kernel, stride, 1), depthwise(channels, kernel, 1, 1)
    return nn.Sequential(*first, *second)


class PlainCell(nn.Module):
    def __init__(self, kind: str, channels: int, c_before: int, c_previous: int, halve: bool):
        super().__init__()
        self.kind = kind
        self.inputs = nn.Module()
        before = PlainReduce if halve else relu_conv_bn
        self.inputs.before = before(c_before, channels)
        self.inputs.previous = relu_conv_bn(c_previous, channels)
        self.edges = nn.ModuleList()
        for node in range(2, 6):
            for source in range(node):
                stride = 2 if kind == "reduce" and source < 2 else 1
                operations = {n: plain_operation(n, channels, stride) for n in NAMES[1:]}
                self.edges.append(nn.ModuleDict(operations))

    def forward(self, before: Tensor, previous: Tensor, path: Mapping[str, Tensor]) -> Tensor:
        nodes = [self.inputs.before(before), self.inputs.previous(previous)]
        edges = iter(self.edges)
        for node in range(2, 6):
            total = 0
            for source in range(node):
                weights = path[f"{self.kind}.{node}<{source}"]
                edge = next(edges)
                for name, weight in zip(NAMES, weights, strict=True):
                    if name != "none":
                        total = total + weight.view(-1, 1, 1, 1) * edge[name](nodes[source])
            nodes.append(total)
        return torch.cat(nodes[2:], dim=1)


class PlainSearchNetwork(nn.Module):
    """As `supernet` of `darts_cell` at the same scale with the CIFAR stem."""

    def __init__(self, cells: int, channels: int, classes: int) -> None:
        super().__init__()
        width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        before = previous = width
        halve = False
        for index in range(cells):
            kind = "reduce" if index in (cells // 3, 2 * cells // 3) else "normal"
            channels *= 2 if kind == "reduce" else 1
            self.cells.append(PlainCell(kind, channels, before, previous, halve))
            before, previous, halve = previous, 4 * channels, kind == "reduce"
        self.head = nn.Module()
        self.head.linear = nn.Linear(previous, classes)

    def forward(self, images: Tensor, path: Mapping[str, Tensor]) -> Tensor:
        before = previous = self.stem(images)
        for cell in self.cells:
            before, previous = previous, cell(before, previous, path)
        return self.head.linear(previous.mean((2, 3)))
