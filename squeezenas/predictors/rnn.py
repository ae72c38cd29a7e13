"""The recurrent predictor of PNAS: Progressive Neural Architecture Search (arXiv:1712.00559).

An LSTM reads one token a choice and its last state gives the value (section 3.4), so that it reads
architectures of any length. Options of the same name are one token; which choice it is at, the
state tells. Unlike the paper's, values are standardised in place of a sigmoid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive
from squeezenas.predictors.encoding import token_sequences, vocabulary
from squeezenas.predictors.network_predictor import Inputs, NetworkPredictor, Training
from squeezenas.predictors.predictor import predictors

SPREAD = 0.1  # embeddings begin uniform within this


class RNNConfig(Training):
    """Keys of predictor rnn."""

    lr: float = Field(2e-3, gt=0)
    """Learning rate at the start."""
    epochs: Positive = 60
    """Passes over the training architectures."""
    hidden: Positive = 100
    """Units of the LSTM."""
    embedding: Positive = 100
    """Dimensions of a token."""


class TokenRNN(nn.Module):
    """An LSTM over token sequences of any length, and a linear layer.

    Args:
        words: different tokens, numbered from 1.
        embedding: dimensions of a token.
        hidden: units of the LSTM.
    """

    def __init__(self, words: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1 + words, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(hidden, 1)
        nn.init.uniform_(self.embedding.weight, -SPREAD, SPREAD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Standardised values, `(n,)`, of sequences `(n, length)` that end where zeros begin."""
        lengths = (tokens > 0).sum(1).clamp(min=1)
        states, _ = self.lstm(self.embedding(tokens[:, : int(lengths.max())]))
        last = states[torch.arange(len(tokens)), lengths - 1]
        output: Tensor = self.output(last)
        return output[:, 0]


@predictors.register("rnn")
class RNNPredictor(NetworkPredictor):
    """An LSTM over tokens."""

    Config = RNNConfig

    def encode(self, architectures: Sequence[Architecture]) -> Inputs:
        """One token a pick."""
        return (torch.from_numpy(token_sequences(self.space, architectures)),)

    def network(self) -> TokenRNN:
        """A new network."""
        words = len(vocabulary(self.space))
        return TokenRNN(words, self.config.embedding, self.config.hidden)
