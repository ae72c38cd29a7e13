"""Batch normalisation whose statistics are an output, and shared by all processes of a run.

Differs from `torch.nn.BatchNorm2d` in that the functional form returns what it measured instead of
updating buffers, so a unit that is recomputed in the backward pass still updates them once; and
from `torch.nn.SyncBatchNorm` in that it runs on the CPU too.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Statistics = tuple[Tensor, Tensor]
M = TypeVar("M", bound=nn.Module)


def world_size() -> int:
    """Number of processes that share batch statistics: 1 without an initialised process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def summed(tensor: Tensor) -> Tensor:
    """The sum of `tensor` over all processes, differentiable; in a lone process, itself."""
    return tensor if world_size() == 1 else _SumOverProcesses.apply(tensor)


class _SumOverProcesses(torch.autograd.Function):
    """Every process gets the sum, so every process's part gets the sum of all their gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone()
        dist.all_reduce(total)
        return total


def batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, known: Statistics | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalises `x` with the statistics of the joined batch (arXiv:1502.03167, algorithm 1).

    Args:
        x: `(N, C, H, W)`.
        weight: `(C,)`.
        bias: `(C,)`.
        eps: added to the variance.
        known: mean and variance that an earlier run over the same `x` returned; a lone process does
            not measure them again.

    Returns:
        The normalised tensor in the type of `x`, and the float32 (or wider) mean and biased
        variance, each `(C,)` and without gradient.
    """
    if world_size() == 1:
        y, mean, variance = _LocalBatchNorm.apply(x, weight, bias, eps, known)
        return y, mean, variance
    wide = x if x.dtype == torch.float64 else x.float()
    count = wide.numel() // wide.shape[1] * world_size()
    mean = summed(wide.sum((0, 2, 3))) / count
    centred = wide - mean.view(1, -1, 1, 1)
    variance = summed(centred.square().sum((0, 2, 3))) / count
    scale = weight * torch.rsqrt(variance + eps)
    y = centred * scale.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
    return y.to(x.dtype), mean.detach(), variance.detach()


class _LocalBatchNorm(torch.autograd.Function):
    """PyTorch's own kernels; known statistics save the passes over `x` that measure them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, known: Statistics | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if known is None:
            y, mean, inverse = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
            variance = inverse.pow(-2).sub_(eps).clamp_(min=0)
        else:
            mean, variance = known
            inverse = torch.rsqrt(variance + eps)
            y, *_ = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        gradients = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, None, None, mean, inverse, True, ctx.eps, ctx.needs_input_grad[:3]
        )
        return *gradients, None, None


@torch.no_grad()
def update_running_statistics(
    norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int
) -> None:
    """Moves the running statistics of `norm` towards a batch's biased `mean` and `variance`.

    Args:
        norm: the layer; a momentum of None means a cumulative average, as in PyTorch.
        mean: `(C,)`.
        variance: `(C,)`.
        count: values a channel in the joined batch, for the unbiased variance that PyTorch keeps.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    share = norm.momentum if norm.momentum is not None else 1.0 / norm.num_batches_tracked
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
    unbiased = variance * (count / max(count - 1, 1))
    norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), share)


class BatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` that trains with the statistics of all processes' joined batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises `(N, C, H, W)`; in training mode also updates the running statistics."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        one, nothing = x.new_ones(self.num_features), x.new_zeros(self.num_features)
        weight, bias = (self.weight, self.bias) if self.affine else (one, nothing)
        y, mean, variance = batch_norm(x, weight, bias, self.eps)
        update_running_statistics(self, mean, variance, x.numel() // x.shape[1] * world_size())
        return y


class BatchNormAct2d(BatchNorm2d):
    """A `BatchNorm2d` with the drop and activation that timm's layer of this name has behind it."""

    drop: nn.Module
    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same shape."""
        y: Tensor = self.act(self.drop(super().forward(x)))
        return y


def joined_batch_norms(network: M) -> M:
    """The network itself, every batch norm of another library now one of this module.

    Only what the layers do changes: their tensors, settings and names stay.

    Raises:
        ValueError: a batch norm which is neither PyTorch's nor timm's `BatchNormAct2d`.
    """
    for name, module in network.named_modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = BatchNorm2d
        elif type(module).__name__ == "BatchNormAct2d":
            module.__class__ = BatchNormAct2d
        elif isinstance(module, nn.BatchNorm2d) and not isinstance(module, BatchNorm2d):
            raise ValueError(
                f"{name}: a {type(module).__name__} cannot be joined over processes; take a "
                "network with plain batch norms"
            )
    return network


def conv_bn_relu(
    c_in: int, c_out: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution with "same" padding and no bias, batch norm, ReLU."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, BatchNorm2d(c_out), nn.ReLU(inplace=True))
