"""The network that is deployed: batch norm folded into convolutions, channels last, ready to infer.

Folding is exact in evaluation mode: `w' = w * gamma / sigma` and `b' = (b - mean) * gamma / sigma +
beta` (arXiv:1712.05877, section 3.2).
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from squeezenas.nn.memory_format import channels_last

SETTINGS = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
)


def folded(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, channels last and without gradients, its batch norms folded.

    A batch norm is folded where it directly follows a convolution in an `nn.Sequential`, and
    becomes an identity there, so that positions stay what they were; one that also activates stays
    whole. The convolution becomes a plain `nn.Conv2d`: a subclass that only has a faster backward
    pass may not know of a bias.

    Raises:
        ValueError: a batch norm to be folded keeps no running statistics.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for position in range(len(module) - 1):
                conv, norm = module[position], module[position + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    if any(norm.children()):  # the activation of timm's BatchNormAct2d
                        continue
                    module[position], module[position + 1] = _fused(conv, norm), nn.Identity()
    return channels_last(network)


def _fused(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(
            "a batch norm without running statistics cannot be folded; train with them"
        )
    with torch.device("meta"):
        fused = nn.Conv2d(**{name: getattr(conv, name) for name in SETTINGS}, bias=True)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    return fused.eval().requires_grad_(False)
