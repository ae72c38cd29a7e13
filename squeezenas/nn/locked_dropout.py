"""Dropout whose mask does not change over time (arXiv:1512.05287, section 4)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def locked_mask(values: Tensor, rate: float) -> Tensor | None:
    """A mask in the shape of `values`: 0 with probability `rate`, else 1 / (1 - rate).

    Returns:
        None when nothing is dropped, so that nobody multiplies by ones.
    """
    if not rate:
        return None
    return values.new_empty(values.shape).bernoulli_(1 - rate).div_(1 - rate)


def masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """The product of the two; the values themselves without a mask."""
    return values if mask is None else values * mask


def locked_dropout(sequence: Tensor, rate: float) -> Tensor:
    """Drops the same values of `(T, N, H)` at every time."""
    return masked(sequence, locked_mask(sequence[0], rate))


def embedded(tokens: Tensor, embedding: Tensor, rate: float) -> Tensor:
    """Word vectors, of which a share of the words is zero (arXiv:1708.02182, section 4.3).

    A word is dropped wherever it stands. Masking the vectors looked up is the same as masking rows
    of the embedding, without a copy of the whole of it.

    Args:
        tokens: `(T, N)` int64.
        embedding: `(words, H)`.
        rate: share of the words.

    Returns:
        `(T, N, H)`.
    """
    words = locked_mask(embedding[:, :1], rate)
    vectors = F.embedding(tokens, embedding)
    return vectors if words is None else vectors * F.embedding(tokens, words)
