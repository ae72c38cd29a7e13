"""A depthwise convolution of something cheap, which is computed again in the backward pass, not kept.

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
        needed = ctx.needs_input_grad[4:]
        leaves = [x.detach().requires_grad_(need) for x, need in zip(inputs, needed, strict=True)]
        with torch.enable_grad(), torch.autocast(ctx.device, dtype, enabled):
            prepared = ctx.prepare(*leaves)
        grad_prepared, grad_weight = depthwise_gradients(
            grad, prepared.detach(), weight.to(prepared.dtype), *ctx.where
        )
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        found = iter(torch.autograd.grad(prepared, wanted, grad_prepared) if wanted else ())
        grad_inputs = (next(found) if leaf.requires_grad else None for leaf in leaves)
        grad_weight = grad_weight.to(weight.dtype) if ctx.needs_input_grad[1] else None
        return None, grad_weight, None, None, *grad_inputs


def lean_depthwise(
    prepare: Callable[..., Tensor], weight: Tensor, stride: int, dilation: int, *inputs: Tensor
) -> Tensor:
    """`depthwise(prepare(*inputs), weight, stride, dilation)`, keeping only `inputs` and `weight`.

    Args:
        prepare: from the inputs to `(N, C, H, W)`; runs once forward and once backward, so it must be
            a pure function, and every tensor it differentiates by must be among the inputs.
        weight: `(C, 1, k, k)`.
    """
    result: Tensor = _LeanDepthwise.apply(prepare, weight, stride, dilation, *inputs)
    return result
