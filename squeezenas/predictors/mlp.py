"""The plain predictor: one-hot picks through two hidden layers.

With `block` it is the MLP of PNAS: Progressive Neural Architecture Search (arXiv:1712.00559,
section 3.4): the encodings of an architecture's blocks are averaged, so that it reads cells of any
number of blocks. The paper's embeddings, a linear layer without a nonlinearity behind it, are one
with the first hidden layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive
from squeezenas.predictors.encoding import one_hot
from squeezenas.predictors.network_predictor import Inputs, NetworkPredictor, Training
from squeezenas.predictors.predictor import predictors


class MLPConfig(Training):
    """Keys of predictor mlp."""

    lr: float = Field(2e-3, gt=0)
    """Learning rate at the start."""
    epochs: Positive = 100
    """Passes over the training architectures."""
    hidden: Positive = 100
    """Units of each of the two hidden layers."""
    block: int = Field(0, ge=0)
    """Choices that make a block, over which encodings are averaged (PNAS: 4); 0: the whole
    architecture is one."""


class MLP(nn.Module):
    """Two hidden layers; `(n, features)` to `(n,)`."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, encoded: Tensor) -> Tensor:
        """Standardised values."""
        output: Tensor = self.layers(encoded)
        return output[:, 0]


@predictors.register("mlp")
class MLPPredictor(NetworkPredictor):
    """One-hot picks, two hidden layers."""

    Config = MLPConfig

    def encode(self, architectures: Sequence[Architecture]) -> Inputs:
        """One-hot picks."""
        return (torch.from_numpy(one_hot(self.space, architectures, self.config.block)),)

    def network(self) -> MLP:
        """A new network."""
        features = one_hot(self.space, [], self.config.block).shape[1]
        return MLP(features, self.config.hidden)
