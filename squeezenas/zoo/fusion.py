"""Rewrites of a folded network that leave its function and make it faster to run.

None of them changes what is computed beyond the rounding of float32. They are for inference: the
results have no gradients.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.heads import LRASPP

SMALL_GROUP = 16  # channels of a vector register; oneDNN runs smaller groups one value at a time


class ClassifiedFirst(LRASPP):
    """LR-ASPP that classifies at 1/16 and enlarges classes, which are fewer than channels.

    A 1x1 convolution and a bilinear interpolation commute: both are linear, and the weights of an
    interpolation add up to one, so that biases pass. Pooling is a product with two matrices, which
    an exported graph can make for any size.
    """

    def forward(self, features: Tensor, low: Tensor) -> Tensor:
        """As of `LRASPP`."""
        height, width = features.shape[-2:]
        down = _windows(height, self.window, self.stride[0], features)
        across = _windows(width, self.window, self.stride[1], features)
        pooled = down @ features @ across.T
        gate = _resized(torch.sigmoid(self.gate(pooled)), features)
        logits: Tensor = _resized(self.classify(self.project(features) * gate), low)
        return logits + self.classify_low(low)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, tuple(like.shape[-2:]), mode="bilinear", align_corners=False)


def _windows(size: int, window: int, stride: int, like: Tensor) -> Tensor:
    """Rows that average a clamped window each, `((size - window) // stride + 1, size)`."""
    window = torch.sym_min(window, size)
    start = stride * torch.arange((size - window) // stride + 1, device=like.device)[:, None]
    at = torch.arange(size, device=like.device)
    return ((at >= start) & (at < start + window)).to(like.dtype) / window


def classified_first(network: nn.Module) -> None:
    """Exchanges the forward pass of every LR-ASPP head of the network."""
    for module in network.modules():
        if type(module) is LRASPP:
            module.__class__ = ClassifiedFirst


def dense_groups(network: nn.Module) -> None:
    """Makes 1x1 convolutions of small groups dense ones, zeros where groups do not meet."""
    for conv in network.modules():
        if (
            isinstance(conv, nn.Conv2d)
            and conv.kernel_size == (1, 1)
            and 1 < conv.groups < conv.in_channels
            and conv.in_channels // conv.groups < SMALL_GROUP
        ):
            blocks = conv.weight.detach().flatten(1).chunk(conv.groups)
            dense = torch.block_diag(*blocks)[:, :, None, None]
            conv.weight = nn.Parameter(
                dense.contiguous(memory_format=torch.channels_last), requires_grad=False
            )
            conv.groups = 1


class ConvReLU(nn.Conv2d):
    """A convolution with its ReLU in one oneDNN kernel, the one that `torch.compile` would call."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)`, on the CPU and without gradients."""
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups,
            "relu", [], "",
        )  # fmt: skip
        return y


def fuse_relu(network: nn.Module) -> None:
    """Fuses the ReLU behind each folded convolution of an `nn.Sequential` into it, on the CPU.

    Where PyTorch was built without oneDNN nothing changes.
    """
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for position in range(len(module) - 2):
                conv, between, relu = (module[position + step] for step in range(3))
                if (
                    type(conv) is nn.Conv2d
                    and conv.padding_mode == "zeros"
                    and type(between) is nn.Identity
                    and type(relu) is nn.ReLU
                ):
                    conv.__class__ = ConvReLU
                    module[position + 2] = nn.Identity()
