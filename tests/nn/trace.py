"""Everything that a training step makes of a supernet or a unit, to be compared with another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Trace = dict[str, Tensor]
Weights = Mapping[str, Tensor]


def unit(module: nn.Module, x: Tensor, weights: Weights) -> Tensor:
    """Runs a unit, whose weights are filed under its name."""
    result: Tensor = module(x, weights["unit"])
    return result


def trace(
    module: nn.Module,
    run: Callable[[nn.Module, Tensor, Weights], Tensor],
    x: Tensor,
    weights: Weights,
) -> Trace:
    """Output, gradients of a fixed loss, and buffers after one forward and one backward pass."""
    x = x.detach().clone().requires_grad_()
    weights = {key: row.detach().clone().requires_grad_() for key, row in weights.items()}
    module.zero_grad(set_to_none=True)
    y = run(module, x, weights)
    (y.double() * direction(y.shape)).sum().backward()
    found = {"output": y, "input gradient": x.grad}
    found |= {f"path gradient {key}": row.grad for key, row in weights.items()}
    found |= {f"gradient {name}": p.grad for name, p in module.named_parameters()}
    found |= dict(module.named_buffers())
    return {name: value.detach().clone() for name, value in found.items() if value is not None}


def direction(shape: torch.Size) -> Tensor:
    """A gradient of the loss that is the same for every image, so that it can be split by image."""
    return torch.cos(torch.arange(shape[1:].numel(), dtype=torch.float64) * 0.7).view(shape[1:])


def randomised(module: nn.Module) -> nn.Module:
    """Batch norms as in the middle of training: parameters and statistics away from their start."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return module


def mixture(options: int, batch: int) -> Tensor:
    """Path weights `(options, batch)`, float64: one distribution an image."""
    return torch.softmax(torch.randn(options, batch, dtype=torch.float64), dim=0)


def assert_same(found: Trace, expected: Trace, rtol: float = 1e-7, atol: float = 1e-8) -> None:
    """Every entry of one trace is that of the other."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=rtol, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )
