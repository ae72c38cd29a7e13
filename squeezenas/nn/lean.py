"""A depthwise convolution of something cheap, computed again in the backward pass instead of kept.

Differs from `torch.utils.checkpoint` in that the convolution itself does not run a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from squeezenas.nn.depthwise import depthwise, depthwise_gradients


class _LeanDepthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        prepare: Callable[..., Tensor],
        weight: Tensor,
        stride: int,
        dilation: int,
        *inputs: Tensor,
    ) -> Tensor:
        device = inputs[0].device.type
        ctx.prepare, ctx.where, ctx.device = prepare, (stride, dilation), device
        ctx.autocast = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        ctx.save_for_backward(weight, *inputs)
        prepared = prepare(*inputs)
        return depthwise(prepared, weight.to(prepared.dtype), stride, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, *inputs = ctx.saved_tensors
        enabled, dtype = ctx.autocast
        wanted = ctx.needs_input_grad[4:]
        leaves = [x.detach().requires_grad_(want) for x, want in zip(inputs, wanted, strict=True)]
        with torch.enable_grad(), torch.autocast(ctx.device, dtype, enabled):
            prepared = ctx.prepare(*leaves)
        stride, dilation = ctx.where
        needed = any(wanted), ctx.needs_input_grad[1]
        by_prepared, by_weight = depthwise_gradients(
            grad, prepared.detach(), weight.to(prepared.dtype), stride, dilation, needed
        )
        by_inputs: list[Tensor | None] = [None] * len(leaves)
        if by_prepared is not None:
            positions = [position for position, want in enumerate(wanted) if want]
            found = torch.autograd.grad(prepared, [leaves[p] for p in positions], by_prepared)
            for position, gradient in zip(positions, found, strict=True):
                by_inputs[position] = gradient
        if by_weight is not None:
            by_weight = by_weight.to(weight.dtype)
        return None, by_weight, None, None, *by_inputs


def lean_depthwise(
    prepare: Callable[..., Tensor], weight: Tensor, stride: int, dilation: int, *inputs: Tensor
) -> Tensor:
    """`depthwise(prepare(*inputs), weight, stride, dilation)`, keeping only `inputs` and `weight`.

    Args:
        prepare: from the inputs to `(N, C, H, W)`; runs once forward and once backward, so it must
            be a pure function, and every tensor it differentiates by must be among the inputs.
        weight: `(C, 1, k, k)`.
        stride: as in `depthwise`.
        dilation: as in `depthwise`.
        *inputs: what `prepare` reads.
    """
    result: Tensor = _LeanDepthwise.apply(prepare, weight, stride, dilation, *inputs)
    return result
