"""A supernet that does the plain thing: PyTorch's own layers, every candidate by itself, a sum.

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
    if isinstance(module, MixedUnit):
        module = SlowUnit(module)
    elif isinstance(module, nn.Conv2d) and type(module) is not nn.Conv2d:
        plain = nn.Conv2d(
            module.in_channels, module.out_channels, module.kernel_size, module.stride,
            module.padding, module.dilation, module.groups, module.bias is not None,
        )  # fmt: skip
        return _with_state(plain, module)
    elif isinstance(module, nn.BatchNorm2d) and type(module) is not nn.BatchNorm2d:
        norm = nn.BatchNorm2d(module.num_features, module.eps, module.momentum)
        return _with_state(norm, module)
    for name, child in module.named_children():
        setattr(module, name, _plain(child))
    return module


def _with_state(plain: nn.Module, module: nn.Module) -> nn.Module:
    plain.to(module.weight.device, module.weight.dtype).train(module.training)
    plain.load_state_dict(module.state_dict())
    return plain


def slow_twin(module: nn.Module) -> nn.Module:
    """A slow copy of a supernet or a unit, in PyTorch's default memory format."""
    return _plain(copy.deepcopy(module)).to(memory_format=torch.contiguous_format)
