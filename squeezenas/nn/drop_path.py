"""Drop-path: whole paths of a network left out at random (FractalNet, arXiv:1605.07648)."""

from __future__ import annotations

from torch import Tensor, nn


class DropPath(nn.Module):
    """Sets the path of some images to zero and scales the others, as NASNet and DARTS do.

    Attributes:
        probability: share of the images whose path is left out, below 1; the training loop sets it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.probability = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """`(N, ...)` to the same shape; in evaluation mode, `x` itself."""
        if not self.training or self.probability == 0:
            return x
        kept = 1 - self.probability
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * x.new_empty(shape).bernoulli_(kept).div_(kept)
