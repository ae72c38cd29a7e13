"""The convolutional networks of Neural Architecture Search with Reinforcement Learning
(arXiv:1611.01578, section 3.3).

Each layer is a convolution, a batch norm and a ReLU, and reads any of the layers before it, side by
side. A layer that reads none of them reads the image, and what no layer reads goes to the
classifier. Where strides have made maps of different sizes, zeros fill up the smaller ones.

The paper does not say on which side the zeros are, nor what is between the last maps and the
softmax: here they are below and to the right, and it is the mean of each map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.batch_norm import BatchNorm2d
from squeezenas.nn.heads import Classifier


class ConvolutionPlan(NamedTuple):
    """One layer.

    Args:
        kernel: height and width of the filters, odd.
        stride: down and to the right.
        filters: channels of its output.
        sources: the earlier layers that it reads; none: the image.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    filters: int
    sources: tuple[int, ...]


class NASChainNetwork(nn.Module):
    """The layers, and a classifier on those that no other reads.

    Args:
        plans: one a layer.
        classes: number of classes.
    """

    def __init__(self, plans: Sequence[ConvolutionPlan], classes: int) -> None:
        super().__init__()
        self.sources = [plan.sources for plan in plans]
        self.loose = loose_layers(plans)
        self.layers = nn.ModuleList(
            _layer(sum(plans[source].filters for source in plan.sources) or 3, plan)
            for plan in plans
        )
        self.head = Classifier(sum(plans[layer].filters for layer in self.loose), classes)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images `(N, 3, H, W)` to logits `(N, classes)`."""
        outputs: list[Tensor] = []
        for sources, layer in zip(self.sources, self.layers, strict=True):
            outputs.append(layer(side_by_side([outputs[source] for source in sources] or [images])))
        logits: Tensor = self.head(side_by_side([outputs[layer] for layer in self.loose]))
        return logits


def loose_layers(plans: Sequence[ConvolutionPlan]) -> list[int]:
    """The layers that no other reads."""
    read = {source for plan in plans for source in plan.sources}
    return [layer for layer in range(len(plans)) if layer not in read]


def side_by_side(maps: Sequence[Tensor]) -> Tensor:
    """Joins maps `(N, C_i, H_i, W_i)` to `(N, sum of C_i, largest H, largest W)`."""
    if len(maps) == 1:
        return maps[0]
    height, width = (max(x.shape[axis] for x in maps) for axis in (2, 3))
    padded = [F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2])) for x in maps]
    return torch.cat(padded, dim=1)


def _layer(c_in: int, plan: ConvolutionPlan) -> nn.Sequential:
    padding = (plan.kernel[0] // 2, plan.kernel[1] // 2)
    conv = nn.Conv2d(c_in, plan.filters, plan.kernel, plan.stride, padding, bias=False)
    return nn.Sequential(conv, BatchNorm2d(plan.filters), nn.ReLU(inplace=True))
