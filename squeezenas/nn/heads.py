"""Heads: LR-ASPP (arXiv:1905.02244), a depthwise DeepLabV3+ (arXiv:1802.02611), a classifier.

The first two follow the published SqueezeNAS networks where those differ from the papers. The
pooling window of LR-ASPP is clamped to the feature map, so that training crops work; on the 64x128
map of a Cityscapes frame it is the published 49x49.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.batch_norm import conv_bn_relu


def _resized(x: Tensor, size: torch.Size, align_corners: bool) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


class LRASPP(nn.Module):
    """Lite reduced ASPP. Features at 1/16, low level at 1/8; logits at 1/8."""

    window = 49
    stride = (16, 20)

    def __init__(self, c_in: int, c_low: int, middle: int, classes: int) -> None:
        super().__init__()
        self.project = conv_bn_relu(c_in, middle, 1)
        self.gate = nn.Conv2d(c_in, middle, 1)
        self.classify = nn.Conv2d(middle, classes, 1)
        self.classify_low = nn.Conv2d(c_low, classes, 1)

    def forward(self, features: Tensor, low: Tensor) -> Tensor:
        """`(N, c_in, h, w)` and `(N, c_low, 2h, 2w)` to logits `(N, classes, 2h, 2w)`."""
        height, width = features.shape[-2:]
        window = (min(self.window, height), min(self.window, width))
        pooled = F.avg_pool2d(features, window, self.stride)
        gate = _resized(torch.sigmoid(self.gate(pooled)), features.shape[-2:], False)
        gated = _resized(self.project(features) * gate, low.shape[-2:], False)
        return self.classify(gated) + self.classify_low(low)


class DeepLabV3Plus(nn.Module):
    """Atrous spatial pyramid with a decoder. Features at 1/16, low level and logits at 1/4.

    The dilated convolutions have as many groups as the channel counts allow: one an output channel
    in the published networks.
    """

    dilations = (6, 12, 18)

    def __init__(self, c_in: int, c_low: int, middle: int, classes: int) -> None:
        super().__init__()
        self.project = conv_bn_relu(c_in, middle, 1)
        self.pyramid = nn.ModuleList(
            conv_bn_relu(c_in, middle, 3, dilation=dilation, groups=math.gcd(c_in, middle))
            for dilation in self.dilations
        )
        self.merge = conv_bn_relu(4 * middle + c_in, middle, 1)
        self.low = nn.Conv2d(c_low, c_low, 1)
        self.decode = conv_bn_relu(middle + c_low, middle + c_low, 3, groups=middle + c_low)
        self.classify = nn.Conv2d(middle + c_low, classes, 1)

    def forward(self, features: Tensor, low: Tensor) -> Tensor:
        """`(N, c_in, h, w)` and `(N, c_low, 4h, 4w)` to logits `(N, classes, 4h, 4w)`."""
        pooled = features.mean((2, 3), keepdim=True).expand_as(features)
        levels = [self.project(features), *(level(features) for level in self.pyramid), pooled]
        merged = _resized(self.merge(torch.cat(levels, dim=1)), low.shape[-2:], True)
        decoded = self.decode(torch.cat((merged, self.low(low)), dim=1))
        logits: Tensor = self.classify(decoded)
        return logits


class Classifier(nn.Module):
    """Global mean, dropout and one linear layer, as on MobileNetV2 (arXiv:1801.04381, table 2)."""

    dropout = 0.2

    def __init__(self, c_in: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(c_in, classes)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, c_in, h, w)` to logits `(N, classes)`."""
        pooled = F.dropout(features.mean((2, 3)), self.dropout, self.training)
        logits: Tensor = self.linear(pooled)
        return logits


HEADS: dict[str, type[LRASPP] | type[DeepLabV3Plus]] = {
    "lr_aspp": LRASPP,
    "deeplabv3plus": DeepLabV3Plus,
}
