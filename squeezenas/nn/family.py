"""Candidates of one kernel and dilation, run as one.

Their joined channels go through one expansion, one depthwise convolution and one batch norm, and
only the projection back is done for each. The batch norm behind the expansion is folded into it,
differentiably, with statistics from `Moments`.

A family holds no parameters: it reads those of its members, and gives back their batch statistics
as values, so that a recomputed forward pass does not count them twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from squeezenas.nn.batch_norm import Statistics, batch_norm, update_running_statistics
from squeezenas.nn.depthwise import depthwise
from squeezenas.nn.inverted_residual import InvertedResidual
from squeezenas.nn.lean import lean_depthwise
from squeezenas.nn.moments import Moments


class Family:
    """Some candidates of a unit that have the same kernel, dilation and stride.

    Args:
        members: the candidates.
        lean: keep only the input and the depthwise output for the backward pass.
    """

    def __init__(self, members: Sequence[InvertedResidual], lean: bool) -> None:
        self.lean = lean
        self.expansions, self.depthwise, self.projections = zip(
            *(member.convolutions for member in members), strict=True
        )
        self.norms = list(zip(*(member.norms for member in members), strict=True))
        stride, dilation = self.depthwise[0].stride[0], self.depthwise[0].dilation[0]
        # At stride 2 and dilation 2 only even pixels are read: expand no others.
        self.subsample = stride if dilation % stride == 0 else 1
        self.stride, self.dilation = stride // self.subsample, dilation // self.subsample

    def run(self, x: Tensor, moments: Moments, weights: Tensor) -> tuple[Tensor, list[Statistics]]:
        """The members' weighted sum, and mean and variance in front of each of their batch norms.

        Args:
            x: `(N, c_in, H, W)`.
            moments: those of `x`.
            weights: `(members, N)`.

        Returns:
            `(N, c_out, H / stride, W / stride)`; and for each of the three norms mean and variance
            of the members' joined channels, without gradient.
        """
        expand, shift, mean, variance = self._folded_expansion(moments)
        hidden = self._expand_and_convolve(_every(x, self.subsample), expand, shift)
        if self.lean:
            mixed, measured = checkpoint(
                self._normalise_and_project,
                hidden,
                weights,
                [],
                use_reentrant=False,
                preserve_rng_state=False,
            )
        else:
            mixed, measured = self._normalise_and_project(hidden, weights, [])
        return mixed, [(mean.detach(), variance.detach()), *measured]

    def update(self, statistics: Sequence[Statistics], inputs: int, outputs: int) -> None:
        """Moves every member's running statistics; `inputs` and `outputs` are values a channel."""
        for position, count in enumerate((inputs, outputs, outputs)):
            layers = self.norms[position]
            widths = [layer.num_features for layer in layers]
            mean, variance = (vector.split(widths) for vector in statistics[position])
            for parts in zip(layers, mean, variance, strict=True):
                update_running_statistics(*parts, count)

    def _folded_expansion(self, moments: Moments) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weight and bias of expansion and batch norm in one; mean and variance between the two."""
        with torch.autocast(moments.mean.device.type, enabled=False):
            expand = _joined(_dense(conv) for conv in self.expansions)
            mean, variance = moments.after(expand)
            weight, bias, eps = self._norm(0)
            scale = weight * torch.rsqrt(variance + eps)
            return (expand * scale[:, None])[..., None, None], bias - mean * scale, mean, variance

    def _expand_and_convolve(self, x: Tensor, expand: Tensor, shift: Tensor) -> Tensor:
        def expanded(x: Tensor, expand: Tensor, shift: Tensor) -> Tensor:
            return torch.relu_(F.conv2d(x, expand, shift))

        weight = _joined(conv.weight for conv in self.depthwise)
        if self.lean:
            return lean_depthwise(expanded, weight, self.stride, self.dilation, x, expand, shift)
        return depthwise(expanded(x, expand, shift), weight, self.stride, self.dilation)

    def _normalise_and_project(
        self, hidden: Tensor, weights: Tensor, known: list[Statistics]
    ) -> tuple[Tensor, list[Statistics]]:
        """Batch norm, ReLU, 1x1 convolutions, batch norm, weighted sum.

        Args:
            hidden: the depthwise output.
            weights: `(members, N)`.
            known: statistics of both norms, filled by the first run; a second one reads them.
        """
        again = known or (None, None)
        hidden, *second = batch_norm(hidden, *self._norm(1), known=again[0])
        projected = _pointwise(torch.relu_(hidden), [_dense(conv) for conv in self.projections])
        projected, *third = batch_norm(projected, *self._norm(2), known=again[1])
        known[:] = [(second[0], second[1]), (third[0], third[1])]
        return _weighted_sum(projected, weights), known

    def _norm(self, position: int) -> tuple[Tensor, Tensor, float]:
        """Joined weight and bias of the members' first, second or third norm, and its epsilon."""
        layers = self.norms[position]
        weight = _joined(layer.weight for layer in layers)
        return weight, _joined(layer.bias for layer in layers), layers[0].eps


def scaled(x: Tensor, weights: Tensor) -> Tensor:
    """`x` `(N, C, H, W)` times a weight for each image `(N,)`."""
    return x * weights.to(x.dtype).view(-1, 1, 1, 1)


def _joined(parts: Iterable[Tensor]) -> Tensor:
    tensors = list(parts)
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _dense(conv: nn.Conv2d) -> Tensor:
    """The weight of a 1x1 convolution as a matrix, block-diagonal when it has groups."""
    weight = conv.weight.flatten(1)
    return torch.block_diag(*weight.chunk(conv.groups)) if conv.groups > 1 else weight


def _every(x: Tensor, step: int) -> Tensor:
    return x if step == 1 else x[:, :, ::step, ::step]


def _pointwise(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Splits the channels of `x` among 1x1 convolutions and puts their outputs side by side."""
    if len(weights) == 1:
        return F.conv2d(x, weights[0][..., None, None])
    rows = x.permute(0, 2, 3, 1).split([weight.shape[1] for weight in weights], -1)
    parts = [part @ weight.T for part, weight in zip(rows, weights, strict=True)]
    return torch.cat(parts, dim=-1).permute(0, 3, 1, 2)


def _weighted_sum(stacked: Tensor, weights: Tensor) -> Tensor:
    """Sums `(N, K * C, H, W)` over K with weights `(K, N)`: `(N, C, H, W)`."""
    if len(weights) == 1:
        return scaled(stacked, weights[0])
    parts = stacked.unflatten(1, (weights.shape[0], -1))
    return torch.einsum("nkchw,kn->nchw", parts, weights.to(stacked.dtype))
