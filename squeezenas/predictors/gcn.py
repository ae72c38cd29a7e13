"""Neural Predictor for Neural Architecture Search (arXiv:1912.00848): a bidirectional GCN.

It reads the graph of an architecture, its operations as nodes. With two stages a classifier of the
same form first tells good architectures from bad ones, and what a good one is worth is learned
from good ones alone (section 3.2). Unlike the paper's, values are standardised in place of a
sigmoid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Depth, Fraction, Positive
from squeezenas.predictors.encoding import graphs
from squeezenas.predictors.network_predictor import Inputs, NetworkPredictor, Training, kept
from squeezenas.predictors.predictor import FEWEST, Array, predictors

BAD = 0.4  # share of the training architectures below a threshold that is not given


class GCNConfig(Training):
    """Keys of predictor gcn.

    Sizes and dropout are the paper's; how it is trained was chosen on NAS-Bench-101, on cells that
    no figure is told of. The paper has lr=1e-4 (2e-4 for the classifier), batch_size=10,
    epochs=300, weight_decay=1e-3, loss=mse and no positions: slower, and worse.
    """

    lr: float = Field(3e-3, gt=0)
    """Learning rate at the start."""
    weight_decay: float = Field(1e-4, ge=0)
    """L2 penalty of the weights, added to the gradient."""
    batch_size: Positive = 32
    """Architectures a step."""
    epochs: Positive = 150
    """Passes over the training architectures."""
    layers: Depth = 3
    """Graph convolutions: so far a node sees."""
    hidden: Positive = 144
    """Features of a node."""
    dense: Positive = 128
    """Units between the mean of the nodes and the value."""
    dropout: Fraction = 0.1
    """Share of features that training drops behind each graph convolution."""
    positions: bool = True
    """Whether a node knows its place in the order of the graph, which the paper's do not: without
    it a unit in the middle of a long chain is like any other."""
    stages: Literal[1, 2] = 1
    """2: a classifier tells good architectures from bad ones before good ones are ranked."""
    threshold: float | None = None
    """Least value of a good one (NAS-Bench-101: 0.91); omitted: what 60 % of the training
    architectures reach."""


class GraphConvolution(nn.Module):
    """`1/2 ReLU(norm(A) V W+) + 1/2 ReLU(norm(A^T) V W-)` (section 3.1), without biases."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_in, 2 * c_out))  # W+ beside W-: one product
        for half in self.weight.data.split(c_out, 1):
            nn.init.xavier_uniform_(half)

    def forward(self, nodes: Tensor, along: Tensor, against: Tensor) -> Tensor:
        """Features `(n, nodes, c_in)` to `(n, nodes, c_out)`."""
        forwards, backwards = (nodes @ self.weight).chunk(2, -1)
        return 0.5 * (F.relu(along @ forwards) + F.relu(against @ backwards))


class GCN(nn.Module):
    """Graph convolutions, the mean of the nodes, one dense layer, one output.

    Args:
        operations: different ones; a node of none of them has no such feature.
        places: in the order of the nodes, that are features too; those behind share the last.
        config: sizes.
    """

    def __init__(self, operations: int, places: int, config: GCNConfig) -> None:
        super().__init__()
        self.operations, self.places = operations, places
        widths = [operations + places, *[config.hidden] * config.layers]
        self.convolutions = nn.ModuleList(GraphConvolution(*pair) for pair in pairwise(widths))
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden, config.dense)
        self.output = nn.Linear(config.dense, 1)

    def forward(self, along: Tensor, against: Tensor, kinds: Tensor) -> Tensor:
        """One value a graph, `(n,)`.

        Args:
            along: `norm(A)`, `(n, nodes, nodes)`.
            against: `norm(A^T)`.
            kinds: operation numbers `(n, nodes)`, those of `encoding.graphs`.
        """
        nodes = F.one_hot(kinds + 2, self.operations + 2)[..., 2:].to(along.dtype)
        if self.places:
            order = torch.arange(kinds.shape[1]).clamp(max=self.places - 1)
            places = F.one_hot(order, self.places).to(along.dtype)
            nodes = torch.cat([nodes, places.expand(len(kinds), -1, -1)], 2)
        for convolution in self.convolutions:
            nodes = self.dropout(convolution(nodes, along, against))
        real = (kinds > -2).to(along.dtype)[..., None]
        mean = (nodes * real).sum(1) / real.sum(1)
        output: Tensor = self.output(F.relu(self.dense(mean)))
        return output[:, 0]


@predictors.register("gcn")
class GCNPredictor(NetworkPredictor):
    """The graph convolutional network, in one or two stages.

    In the second stage what the classifier takes is worth the threshold or more; what it refuses,
    between that and the mean of the bad training architectures, by its probability.
    """

    Config = GCNConfig

    def learn(self, architectures: Sequence[Architecture], targets: Array) -> None:
        """Trains the networks; where fewer than two are good, or none is bad, one stage."""
        found = [self.space.graph(architecture)[1] for architecture in architectures]
        self.operations = sorted({name for names in found for name in names})
        self.places = max(map(len, found)) if self.config.positions else 0
        self.classifiers: list[nn.Module] = []
        if self.config.stages == 2:
            given, known = self.config.threshold, targets
            least = (
                np.quantile(known, BAD) if given is None else (given - self.mean) / self.deviation
            )
            good = known >= least
            if FEWEST <= good.sum() < len(good):
                wanted = torch.from_numpy(good).float()
                self.classifiers = self.trained(
                    self.encode(architectures), wanted, F.binary_cross_entropy_with_logits
                )
                architectures = [a for a, kept in zip(architectures, good, strict=True) if kept]
                centre, width = known[good].mean(), known[good].std() or 1.0
                self.worth = np.array([known[~good].mean(), least, centre, width])
                targets = (known[good] - centre) / width
        super().learn(architectures, targets)

    def score(self, architectures: Sequence[Architecture]) -> Array:
        """What the network says, of what the classifier takes."""
        ranked = super().score(architectures)
        if not self.classifiers:
            return ranked
        bad, least, centre, width = self.worth
        logits = self.outputs(self.classifiers, architectures)
        refused = bad + (least - bad) * 2 / (1 + np.exp(-np.minimum(logits, 0)))
        return np.where(logits >= 0, np.maximum(centre + width * ranked, least), refused)

    def encode(self, architectures: Sequence[Architecture]) -> Inputs:
        """Both normalised adjacencies, `(n, nodes, nodes)`, and the operations `(n, nodes)`."""
        adjacency, kinds = graphs(self.space, architectures, self.operations)
        return (
            normalised(adjacency, kinds),
            normalised(adjacency.swapaxes(1, 2), kinds),
            torch.from_numpy(kinds),
        )

    def network(self) -> GCN:
        """A new network."""
        return GCN(len(self.operations), self.places, self.config)

    def state(self) -> dict[str, Array]:
        """The weights, the names of the operations, and where good begins."""
        names = np.frombuffer("\n".join(self.operations).encode(), dtype=np.uint8)
        found = super().state() | {"operations": names, "places": np.array([self.places])}
        if self.classifiers:
            found |= kept("classifiers", self.classifiers) | {"worth": self.worth}
        return found

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Takes back what `state` gave.

        Raises:
            KeyError, IndexError, ValueError: it is of another predictor.
        """
        self.operations = bytes(state["operations"]).decode().split("\n")
        self.places = int(state["places"][0])
        self.classifiers = self.restored("classifiers", state)
        self.worth = state.get("worth", np.zeros(4))
        if self.worth.shape != (4,) or not np.isfinite(self.worth).all():
            raise ValueError("worth is not four finite numbers")
        super().load_state(state)


def normalised(adjacency: Array, kinds: Array) -> Tensor:
    """Adjacency with self loops, its rows divided by their sums: `(n, nodes, nodes)`."""
    loops = torch.diag_embed(torch.from_numpy(kinds > -2).float())
    with_loops = torch.from_numpy(adjacency).float() + loops
    return with_loops / with_loops.sum(2, keepdim=True).clamp(min=1)
