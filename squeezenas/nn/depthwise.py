"""Depthwise convolution with a backward pass that CPUs are good at.

oneDNN's gradients of depthwise convolutions leave their fast kernels when the kernel is wider than
3 or dilated. Each such gradient is rewritten here, exactly, as one that stays in them:

* the input gradient at stride 1 is a convolution of the output gradient with the kernel turned
  around;
* the weight gradient of a kernel 5 or 7 wide is that of two or three kernels 3 wide, side by side,
  neighbours sharing a column;
* the weight gradient at dilation 2 is that of a plain kernel on the four sub-grids of even and odd
  pixels, stacked as a batch.

On other devices this is `torch.nn.functional.conv2d`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def depthwise(x: Tensor, weight: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """Depthwise convolution with "same" padding.

    Args:
        x: `(N, C, H, W)`.
        weight: `(C, 1, k, k)`, k odd.
        stride: step between outputs, pixels.
        dilation: step between the taps of the kernel, pixels.

    Returns:
        `(N, C, ceil(H / stride), ceil(W / stride))`.
    """
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return _convolve(x, weight, stride, dilation)
    if torch.is_autocast_enabled("cpu"):
        half = torch.get_autocast_dtype("cpu")
        x, weight = x.to(half), weight.to(half)
    result: Tensor = _CpuDepthwise.apply(x, weight, stride, dilation)
    return result


def depthwise_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, dilation: int, needed: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of `depthwise` by `x` and by `weight`, from that of its output.

    Args:
        grad: gradient of the output.
        x: `(N, C, H, W)`, as in `depthwise`.
        weight: `(C, 1, k, k)`, as in `depthwise`.
        stride: as in `depthwise`.
        dilation: as in `depthwise`.
        needed: which of the two to compute; the other is None.
    """
    grad = _like(grad, x)
    return (
        _input_gradient(grad, x, weight, stride, dilation) if needed[0] else None,
        _weight_gradient(grad, x, weight, stride, dilation) if needed[1] else None,
    )


class _CpuDepthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.dilation = stride, dilation
        return _convolve(x, weight, stride, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad[:2]
        return *depthwise_gradients(grad, x, weight, ctx.stride, ctx.dilation, needed), None, None


def _convolve(x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    padding = dilation * (weight.shape[-1] // 2)
    return F.conv2d(x, weight, None, stride, padding, dilation, groups=x.shape[1])


def _like(grad: Tensor, x: Tensor) -> Tensor:
    """The gradient in the memory format of `x`, which oneDNN is fast in."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return grad.contiguous(memory_format=torch.channels_last)
    return grad


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    if x.device.type == "cpu" and stride == 1:
        return _convolve(grad, weight.flip(2, 3), 1, dilation)
    return _native_backward(grad, x, weight, stride, dilation, inputs=True)


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    height, width = x.shape[-2:]
    if x.device.type != "cpu":
        return _native_backward(grad, x, weight, stride, dilation, inputs=False)
    if weight.shape[-1] in (5, 7) and dilation == 1:
        kernel = weight.shape[-1]
        padded = F.pad(x, (kernel // 2,) * 4)
        columns = weight.new_empty(weight.shape[0], 1, kernel, 3)
        reach = stride * (grad.shape[-1] - 1) + 3  # the columns that a kernel 3 wide can see
        left, *others = (
            _native_backward(grad, padded[..., start : start + reach], columns, stride, 1, False, 0)
            for start in range(0, kernel - 2, 2)
        )
        return torch.cat((left, *(part[..., 1:] for part in others)), dim=-1)
    if dilation == 2 and stride == 1 and height % 2 == 0 and width % 2 == 0:
        grad, x = _sub_grids(grad), _sub_grids(x)
        return _native_backward(grad, x, weight, 1, 1, inputs=False)
    return _native_backward(grad, x, weight, stride, dilation, inputs=False)


def _sub_grids(x: Tensor) -> Tensor:
    """The four grids of even and odd rows and columns, stacked: `(4N, C, H/2, W/2)`."""
    grids = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.cat(grids).contiguous(memory_format=torch.channels_last)


def _native_backward(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, dilation: int, inputs: bool, pad: int = -1
) -> Tensor:
    """PyTorch's own gradient of a depthwise convolution, by input or by weight."""
    padding = dilation * (weight.shape[-1] // 2) if pad < 0 else pad
    gradients = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0],
        x.shape[1], [inputs, not inputs, False],
    )  # fmt: skip
    result: Tensor = gradients[0 if inputs else 1]
    return result
