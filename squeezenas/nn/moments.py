"""The batch statistics of every 1x1 convolution of a tensor, from two moments of that tensor.

The mean and the variance of `W x` follow from the mean and the covariance of `x`, which has a small
fraction of the channels: all batch norms behind the expansions of a unit share one pass over its
input, and no expansion is read for its statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from squeezenas.nn.batch_norm import summed, world_size


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
        variance = ((weight @ self.covariance) * weight).sum(1)
        return weight @ self.mean, variance.clamp(min=0)  # rounding can leave less than nothing
