"""A supernet unit: all candidates of one choice, mixed with weights of their own for each image.

Equal to running every candidate and summing, but the candidates share their work:

* all of them read the statistics of their first batch norm from two moments of the input;
* on a GPU, where the number of kernels matters, candidates of the same kernel and dilation run as
  one family; on the CPU, where the cache does, each runs as a family of its own;
* with `memory="lean"` a family keeps only its input and its depthwise output for the backward pass,
  which computes the expansion and everything behind the depthwise convolution again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from squeezenas.nn.batch_norm import world_size
from squeezenas.nn.family import Family, scaled
from squeezenas.nn.inverted_residual import Bottleneck, InvertedResidual, Zero, candidate
from squeezenas.nn.moments import Moments


class MixedUnit(nn.Module):
    """All candidates of one unit, and the identity where the shape allows it.

    Args:
        options: texts of the candidates, in order.
        c_in: channels of the input.
        c_out: channels of the output.
        stride: stride of the unit.
        memory: `full` keeps what the backward pass reads, `lean` recomputes it.

    Attributes:
        joined: whether candidates of the same kernel and dilation run as one; None means on a GPU.
    """

    def __init__(
        self, options: Iterable[str], c_in: int, c_out: int, stride: int, memory: str = "full"
    ) -> None:
        super().__init__()
        self.identity = stride == 1 and c_in == c_out
        self.lean = memory == "lean"
        self.joined: bool | None = None
        texts = tuple(options)
        self.candidates = nn.ModuleList(candidate(text, c_in, c_out, stride) for text in texts)
        families: dict[tuple[int, int], list[int]] = {}
        self._others = []
        for index, (text, module) in enumerate(zip(texts, self.candidates, strict=True)):
            if isinstance(module, InvertedResidual):
                bottleneck = Bottleneck.parse(text)
                families.setdefault((bottleneck.kernel, bottleneck.dilation), []).append(index)
            elif not isinstance(module, Zero):
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
            mixed = scaled(self.candidates[pick](x), weights[pick])
        elif self.training:
            mixed = self._together(x, weights)
        else:
            mixed = self._one_by_one(x, weights)
        return x + mixed if self.identity else mixed

    def _one_by_one(self, x: Tensor, weights: Tensor) -> Tensor:
        terms = [scaled(m(x), w) for m, w in zip(self.candidates, weights, strict=True)]
        return torch.stack(terms).sum(0)

    def _together(self, x: Tensor, weights: Tensor) -> Tensor:
        moments = Moments.of(x)
        terms, pending = [], []
        joined = x.is_cuda if self.joined is None else self.joined
        for indices in self._families if joined else self._alone:
            family = self._family(indices)
            term, statistics = family.run(x, moments, weights[indices])
            terms.append(term)
            pending.append((family, statistics))
        for index in self._others:
            terms.append(scaled(self.candidates[index](x), weights[index]))
        inputs = x.numel() // x.shape[1] * world_size()
        outputs = terms[0].numel() // terms[0].shape[1] * world_size()
        for family, statistics in pending:
            family.update(statistics, inputs, outputs)
        mixed = terms[0]
        for term in terms[1:]:
            mixed = mixed + term
        return mixed

    def _family(self, indices: Sequence[int]) -> Family:
        members = [cast("InvertedResidual", self.candidates[index]) for index in indices]
        return Family(members, self.lean)
