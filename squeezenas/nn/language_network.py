"""A network that predicts words: word vectors, a recurrent cell, a decoder of the same vectors."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.dropout_config import Dropout
from squeezenas.nn.locked_dropout import embedded, locked_dropout
from squeezenas.nn.path import Path
from squeezenas.nn.recurrent_cell import INIT_RANGE, Recurrent, State


class LanguageOutput(NamedTuple):
    """What a network says of a segment.

    Args:
        logits: of the next word, `(T, N, words)`.
        state: tensors `(layers, N, H)` to begin the next segment with.
        raw: what the cell gave, `(T, N, H)`.
        dropped: the same behind the last dropout.
    """

    logits: Tensor
    state: State
    raw: Tensor
    dropped: Tensor


class LanguageNetwork(nn.Module):
    """A language model with tied word vectors (arXiv:1611.01462), as in AWD-LSTM and DARTS.

    Args:
        cell: the recurrent module.
        words: size of the vocabulary.

    Attributes:
        dropout: the rates while it trains; nothing is dropped unless a training loop sets them.
    """

    def __init__(self, cell: Recurrent, words: int) -> None:
        super().__init__()
        self.cell = cell
        self.embedding = nn.Embedding(words, cell.hidden)
        self.head = TiedDecoder(words)
        self.dropout = Dropout()
        nn.init.uniform_(self.embedding.weight, -INIT_RANGE, INIT_RANGE)

    def initial_state(self, batch: int) -> State:
        """A state of zeros for so many columns of text, where the weights are."""
        return self.cell.initial_state(batch)

    def forward(
        self, tokens: Tensor, state: State | None = None, path: Path | None = None
    ) -> LanguageOutput:
        """Reads a segment of each column.

        Args:
            tokens: `(T, N)` int64.
            state: what the segment before left; None: zeros.
            path: which options run; a supernet needs it.
        """
        state = self.initial_state(tokens.shape[1]) if state is None else state
        rates = self.dropout if self.training else Dropout()
        vectors = embedded(tokens, self.embedding.weight, rates.embedding)
        raw, state = self.cell(locked_dropout(vectors, rates.input), state, rates, path)
        dropped = locked_dropout(raw, rates.output)
        return LanguageOutput(self.head(dropped, self.embedding.weight), state, raw, dropped)


class TiedDecoder(nn.Module):
    """A bias for each word; the matrix is that of the word vectors and is kept only there.

    Args:
        words: size of the vocabulary.
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, features: Tensor, vectors: Tensor) -> Tensor:
        """`(T, N, H)` and `(words, H)` to logits `(T, N, words)`."""
        return F.linear(features, vectors, self.bias)
