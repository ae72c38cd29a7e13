"""A supernet unit: all candidates of one choice, mixed with weights of their own for each image.

Equal to running every candidate and summing, but the candidates share their work:

* candidates of the same kernel and dilation run as one expansion, one depthwise convolution and one
  batch norm over their joined channels;
* the batch norm behind the expansion costs nothing: the mean and the variance of `W x` follow from the
  mean and the covariance of `x`, which has a small fraction of the channels, so the norm is folded into
  the 1x1 convolution, differentiably;
* a dilated candidate at stride 2 with dilation 2 reads only even pixels, so only those are expanded;
* with `memory="lean"` a family of candidates keeps nothing but its input for the backward pass.

Batch statistics come out of the computation as values, so recomputation does not count them twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from squeezenas.nn.batch_norm import batch_norm, summed, update_running_statistics, world_size
from squeezenas.nn.depthwise import depthwise
from squeezenas.nn.inverted_residual import Bottleneck, InvertedResidual, Zero, candidate
from squeezenas.nn.lean import lean_depthwise


@dataclass(frozen=True)
class Moments:
    """Mean `(C,)` and biased covariance `(C, C)` of a tensor's channels over the joined batch."""

    mean: Tensor
    covariance: Tensor

    @staticmethod
    def of(x: Tensor) -> Moments:
        """The moments of `x` `(N, C, H, W)`, in float32 or wider, differentiable."""
        with torch.autocast(x.device.type, enabled=False):
            rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
            rows = rows if rows.dtype == torch.float64 else rows.float()
            count = rows.shape[0] * world_size()
            mean = summed(rows.sum(0)) / count
            centred = rows - mean
            return Moments(mean, summed(centred.T @ centred) / count)

    def after(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of `weight @ x` for a weight `(C', C)`: both `(C',)`."""
        return weight @ self.mean, ((weight @ self.covariance) * weight).sum(1)


def _dense(conv: nn.Conv2d) -> Tensor:
    """The weight of a 1x1 convolution as a matrix, block-diagonal when it has groups."""
    weight = conv.weight.flatten(1)
    return torch.block_diag(*weight.chunk(conv.groups)) if conv.groups > 1 else weight


class _Family:
    """Candidates of one kernel and dilation, run together. Holds no parameters of its own."""

    def __init__(
        self, members: Sequence[InvertedResidual], bottleneck: Bottleneck, stride: int, lean: bool
    ) -> None:
        self.members = members
        self.lean = lean
        self.dilation = bottleneck.dilation
        self.subsample = stride if bottleneck.dilation % stride == 0 else 1
        self.stride = stride // self.subsample
        self.step = self.dilation // self.subsample

    def _joined(self, position: int, name: str) -> Tensor:
        return _cat([getattr(member[position], name) for member in self.members])

    def _expand_and_convolve(self, x: Tensor, expand: Tensor, shift: Tensor) -> Tensor:
        """Folded 1x1 convolution, ReLU, depthwise convolution."""

        def expanded(x: Tensor, expand: Tensor, shift: Tensor) -> Tensor:
            return torch.relu_(F.conv2d(x, expand, shift))

        weight = self._joined(3, "weight")
        if self.lean:
            return lean_depthwise(expanded, weight, self.stride, self.step, x, expand, shift)
        return depthwise(expanded(x, expand, shift), weight, self.stride, self.step)

    def _normalise_and_project(self, hidden: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """Batch norm, ReLU, 1x1 convolutions, batch norm, weighted sum; then batch statistics."""
        hidden, mean2, variance2 = self._batch_norm(4, hidden)
        projected = _pointwise(torch.relu_(hidden), [_dense(member[6]) for member in self.members])
        projected, mean3, variance3 = self._batch_norm(7, projected)
        return _weighted_sum(projected, weights), mean2, variance2, mean3, variance3

    def _batch_norm(self, position: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        eps = self.members[0][position].eps
        return batch_norm(x, self._joined(position, "weight"), self._joined(position, "bias"), eps)

    def run(self, x: Tensor, moments: Moments, weights: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The members' weighted sum, and mean and variance in front of each of their batch norms."""
        with torch.autocast(x.device.type, enabled=False):
            expand = _cat([_dense(member[0]) for member in self.members])
            mean1, variance1 = moments.after(expand)
            scale = self._joined(1, "weight") * torch.rsqrt(variance1 + self.members[0][1].eps)
            shift = self._joined(1, "bias") - mean1 * scale
            folded = (expand * scale[:, None])[..., None, None]
        hidden = self._expand_and_convolve(_every(x, self.subsample), folded, shift)
        if self.lean:
            mixed, *statistics = checkpoint(
                self._normalise_and_project,
                hidden,
                weights,
                use_reentrant=False,
                preserve_rng_state=False,
            )
        else:
            mixed, *statistics = self._normalise_and_project(hidden, weights)
        return mixed, [mean1.detach(), variance1.detach(), *statistics]

    def update(self, statistics: Sequence[Tensor], inputs: int, outputs: int) -> None:
        """Moves every member's running statistics; `inputs` and `outputs` are values a channel."""
        for norm, count in ((0, inputs), (1, outputs), (2, outputs)):
            layers = [member[(1, 4, 7)[norm]] for member in self.members]
            widths = [layer.num_features for layer in layers]
            parts = (statistics[2 * norm + i].split(widths) for i in (0, 1))
            for layer, mean, variance in zip(layers, *parts, strict=True):
                update_running_statistics(layer, mean, variance, count)


def _cat(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _pointwise(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Splits the channels of `x` among 1x1 convolutions and puts their outputs side by side."""
    if len(weights) == 1:
        return F.conv2d(x, weights[0][..., None, None])
    rows = x.permute(0, 2, 3, 1).split([weight.shape[1] for weight in weights], -1)
    parts = [part @ weight.T for part, weight in zip(rows, weights, strict=True)]
    return torch.cat(parts, dim=-1).permute(0, 3, 1, 2)


def _every(x: Tensor, step: int) -> Tensor:
    return x if step == 1 else x[:, :, ::step, ::step]


def _weighted_sum(stacked: Tensor, weights: Tensor) -> Tensor:
    """Sums `(N, K * C, H, W)` over K with weights `(K, N)`: `(N, C, H, W)`."""
    if len(weights) == 1:
        return _scaled(stacked, weights[0])
    parts = stacked.unflatten(1, (weights.shape[0], -1))
    return torch.einsum("nkchw,kn->nchw", parts, weights.to(stacked.dtype))


class MixedUnit(nn.Module):
    """All candidates of one unit, and the identity where the shape allows it.

    Args:
        options: texts of the candidates, in order.
        c_in: channels of the input.
        c_out: channels of the output.
        stride: stride of the unit.
        memory: `full` keeps what the backward pass reads, `lean` recomputes it.
    """

    def __init__(
        self, options: Iterable[str], c_in: int, c_out: int, stride: int, memory: str = "full"
    ) -> None:
        super().__init__()
        self.options = tuple(options)
        self.identity = stride == 1 and c_in == c_out
        self.stride = stride
        self.lean = memory == "lean"
        self.candidates = nn.ModuleList(
            candidate(option, c_in, c_out, stride) for option in self.options
        )
        families: dict[tuple[int, int], list[int]] = {}
        self._others = []
        for index, module in enumerate(self.candidates):
            if isinstance(module, InvertedResidual):
                bottleneck = Bottleneck.parse(self.options[index])
                families.setdefault((bottleneck.kernel, bottleneck.dilation), []).append(index)
            else:
                self._others.append(index)
        self._families = list(families.values())
        self._alone = [[index] for family in self._families for index in family]

    def forward(self, x: Tensor, weights: Tensor, pick: int | None = None) -> Tensor:
        """The weighted sum of the candidates, plus the input where the shape is kept.

        Args:
            x: `(N, c_in, H, W)`.
            weights: `(options, N)`.
            pick: run only this option, scaled by its row of the weights.

        Returns:
            `(N, c_out, H / stride, W / stride)`.
        """
        if pick is not None:
            mixed = _scaled(self.candidates[pick](x), weights[pick])
        elif self.training:
            mixed = self._together(x, weights)
        else:
            mixed = self._one_by_one(x, weights)
        return x + mixed if self.identity else mixed

    def _one_by_one(self, x: Tensor, weights: Tensor) -> Tensor:
        terms = [_scaled(m(x), w) for m, w in zip(self.candidates, weights, strict=True)]
        return torch.stack(terms).sum(0)

    def _together(self, x: Tensor, weights: Tensor) -> Tensor:
        moments = Moments.of(x)
        terms, pending = [], []
        for indices in self._families if x.is_cuda else self._alone:
            family = self._family(indices)
            term, statistics = family.run(x, moments, weights[indices])
            terms.append(term)
            pending.append((family, statistics))
        for index in self._others:
            if not isinstance(self.candidates[index], Zero):
                terms.append(_scaled(self.candidates[index](x), weights[index]))
        inputs = x.numel() // x.shape[1] * world_size()
        outputs = terms[0].numel() // terms[0].shape[1] * world_size()
        for family, statistics in pending:
            family.update(statistics, inputs, outputs)
        mixed = terms[0]
        for term in terms[1:]:
            mixed = mixed + term
        return mixed

    def _family(self, indices: Sequence[int]) -> _Family:
        members = [self.candidates[index] for index in indices]
        return _Family(members, Bottleneck.parse(self.options[indices[0]]), self.stride, self.lean)  # type: ignore[arg-type]


def _scaled(x: Tensor, weights: Tensor) -> Tensor:
    return x * weights.to(x.dtype).view(-1, 1, 1, 1)
