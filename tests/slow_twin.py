"""A supernet that does the plain thing: every candidate by itself, PyTorch's own layers, then a sum.

It has the parameter names of the fast supernet, so one state fits both.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from squeezenas.nn.mixed import MixedUnit


class SlowUnit(nn.Module):
    """All candidates of a unit run one after the other."""

    def __init__(self, unit: MixedUnit) -> None:
        super().__init__()
        self.identity = unit.identity
        self.candidates = unit.candidates

    def forward(self, x: Tensor, weights: Tensor, pick: int | None = None) -> Tensor:
        assert pick is None
        y = x if self.identity else 0
        for module, weight in zip(self.candidates, weights, strict=True):
            y = y + weight.to(x.dtype).view(-1, 1, 1, 1) * module(x)
        return y


def _plain(module: nn.Module) -> nn.Module:
    """The same module made of PyTorch's own layers."""
    for name, child in module.named_children():
        if isinstance(child, MixedUnit):
            child = SlowUnit(child)
        if isinstance(child, nn.Conv2d) and type(child) is not nn.Conv2d:
            plain = nn.Conv2d(
                child.in_channels, child.out_channels, child.kernel_size, child.stride,
                child.padding, child.dilation, child.groups, child.bias is not None,
            )  # fmt: skip
            plain.load_state_dict(child.state_dict())
            child = plain.to(child.weight.dtype)
        elif isinstance(child, nn.BatchNorm2d) and type(child) is not nn.BatchNorm2d:
            norm = nn.BatchNorm2d(child.num_features, child.eps, child.momentum)
            norm.load_state_dict(child.state_dict())
            child = norm.to(child.weight.dtype)
        setattr(module, name, _plain(child))
    return module


def slow_twin(supernet: nn.Module) -> nn.Module:
    """A slow copy of a supernet, in PyTorch's default memory format."""
    return _plain(copy.deepcopy(supernet)).to(memory_format=torch.contiguous_format)
