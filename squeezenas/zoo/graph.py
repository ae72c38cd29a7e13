"""A network as a graph that other runtimes can run: `Deployed` in operations that can be exported.

It differs from `squeezenas.zoo.deployed` only in how: a graph has no loops whose length depends on
data, and padding an image copies nothing there. Batch and size may stay open.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.fold import folded
from squeezenas.nn.segmentation_network import SegmentationNetwork
from squeezenas.zoo.deployed import STRIDE, Channels, Result, prepare
from squeezenas.zoo.upsampled_labels import graph_labels

TRACED = (2, 64, 96)
"""Images, height and width to trace a graph of open sizes with: the exporter takes 1 as fixed."""


class Graph(nn.Module):
    """Images `(N, H, W, 3)` of uint8 to labels `(N, H, W)` of uint8, in float32.

    Args:
        network: as of `Deployed`; it is copied.
        mean: mean RGB the network expects, in 0..1.
        std: standard deviation of RGB, in 0..1.
        result: `logits` gives `(N, classes, H, W)` of float32 instead.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, network: nn.Module, mean: Channels, std: Channels, result: Result = "labels"
    ) -> None:
        super().__init__()
        self.network = folded(network).cpu()
        self.result = result
        prepare(self.network)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std).view(3, 1, 1)))

    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        height, width = images.shape[1:3]
        bottom, right = (_padding(side) for side in (height, width))
        x = (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        if not (isinstance(bottom, int) and isinstance(right, int) and bottom == right == 0):
            x = F.pad(x, (0, right, 0, bottom))
        if isinstance(self.network, SegmentationNetwork):
            low = self.network.head(*self.network.features(x))
            size = (height + bottom, width + right)
            if self.result == "labels":
                return graph_labels(low, size, (height, width))
            logits = F.interpolate(low, size, mode="bilinear", align_corners=True)
        else:
            logits = self.network(x)
        logits = logits[..., :height, :width]
        return logits if self.result == "logits" else logits.argmax(1).to(torch.uint8)


def _padding(side: int) -> int:
    """Up to the next multiple; written so that the exporter can reason about it."""
    return (side + STRIDE - 1) // STRIDE * STRIDE - side
