"""What the predictors that are neural networks share: how they are trained, kept and averaged."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive, Strict
from squeezenas.predictors.predictor import Array, Predictor

Inputs = tuple[Tensor, ...]
Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {"mse": F.mse_loss, "l1": F.l1_loss}
CHUNK = 2048  # architectures that are scored at once


class Training(Strict):
    """How a network is trained: Adam, its learning rate falling to 0 along a cosine."""

    lr: float = Field(1e-3, gt=0)
    """Learning rate at the start."""
    weight_decay: float = Field(0.0, ge=0)
    """L2 penalty of the weights, added to the gradient."""
    batch_size: Positive = 10
    """Architectures a step."""
    epochs: Positive = 300
    """Passes over the training architectures."""
    loss: Literal["l1", "mse"] = "l1"
    """l1: absolute errors, which trainings that failed pull at less; mse: squared ones."""
    members: int = Field(1, ge=1, le=100)
    """Networks whose predictions are averaged; of several, each learns on all architectures but one
    of as many equal parts (arXiv:1712.00559, section 3.4: 5)."""


class NetworkPredictor(Predictor):
    """One or several networks that read an encoding of architectures."""

    Config = Training

    @abstractmethod
    def encode(self, architectures: Sequence[Architecture]) -> Inputs:
        """What the network reads; the first dimension of each counts architectures."""

    @abstractmethod
    def network(self) -> nn.Module:
        """A new network; `forward(*inputs) -> (n,)`, standardised."""

    def learn(self, architectures: Sequence[Architecture], targets: Array) -> None:
        """Trains the networks."""
        wanted = torch.from_numpy(targets).float()
        self.networks = self.trained(self.encode(architectures), wanted, LOSSES[self.config.loss])

    def trained(self, inputs: Inputs, targets: Tensor, loss: Loss) -> list[nn.Module]:
        """New networks, one a member, trained."""
        networks = []
        with seeded(self.seed):
            for rows in _parts(len(targets), self.config.members):
                networks.append(self.network())
                train(networks[-1], _rows(rows, inputs), targets[rows], self.config, loss)
        return networks

    def score(self, architectures: Sequence[Architecture]) -> Array:
        """The mean of what the networks say."""
        return self.outputs(self.networks, architectures)

    @torch.no_grad()
    def outputs(
        self, networks: Sequence[nn.Module], architectures: Sequence[Architecture]
    ) -> Array:
        """The mean output of networks, `(n,)`."""
        found = []
        for start in range(0, len(architectures), CHUNK):
            inputs = self.encode(architectures[start : start + CHUNK])
            found.append(torch.stack([network(*inputs) for network in networks]).mean(0))
        means: Array = torch.cat(found).double().numpy()
        return means

    def state(self) -> dict[str, Array]:
        """The weights of all networks."""
        return kept("networks", self.networks)

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Takes back what `state` gave.

        Raises:
            ValueError: it is of another network, or of none.
        """
        self.networks = self.restored("networks", state)
        if not self.networks:
            raise ValueError("it has no weights")

    def restored(self, name: str, state: Mapping[str, Array]) -> list[nn.Module]:
        """The networks that `kept` put under this name.

        Raises:
            ValueError: weights of another network, or more networks than members.
        """
        found, networks = _numbered(name, state), []
        if len(found) > self.config.members:
            raise ValueError(f"there are {len(found)} {name} and members={self.config.members}")
        for number in range(len(found)):
            with torch.device("meta"):  # what a file says of sizes takes no memory before it fits
                network = self.network()
            wanted = {key: _kind(tensor) for key, tensor in network.state_dict().items()}
            weights = {key: torch.tensor(array) for key, array in found[str(number)].items()}
            if {key: _kind(tensor) for key, tensor in weights.items()} != wanted:
                raise ValueError(f"the weights {name}.{number} are of another network")
            network.load_state_dict(weights, assign=True)
            networks.append(network.eval())
        return networks


def _kind(tensor: Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Chance from this seed inside, and afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def train(
    network: nn.Module, inputs: Inputs, targets: Tensor, config: Training, loss: Loss
) -> None:
    """Trains a network in place, on batches of a new permutation each epoch."""
    network.train()
    steps = config.epochs * -(-len(targets) // config.batch_size)
    optimiser = torch.optim.Adam(
        network.parameters(), config.lr, weight_decay=config.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(config.epochs):
        for rows in torch.randperm(len(targets)).split(config.batch_size):
            optimiser.zero_grad()
            loss(network(*_rows(rows, inputs)), targets[rows]).backward()
            optimiser.step()
            schedule.step()
    network.eval()


def kept(name: str, networks: Sequence[nn.Module]) -> dict[str, Array]:
    """The weights of networks as `<name>.<number>.<weight>`."""
    return {
        f"{name}.{number}.{key}": tensor.numpy()
        for number, network in enumerate(networks)
        for key, tensor in network.state_dict().items()
    }


def _parts(count: int, members: int) -> list[Tensor]:
    """The training architectures of each member.

    Raises:
        ValueError: there are too few.
    """
    if members == 1:
        return [torch.arange(count)]
    if count < 2 * members:
        raise ValueError(
            f"members={members} need at least {2 * members} training architectures, and there are "
            f"{count}; take fewer members"
        )
    part = torch.randperm(count) % members
    return [torch.nonzero(part != member)[:, 0] for member in range(members)]


def _rows(rows: Tensor, inputs: Inputs) -> Inputs:
    return tuple(tensor[rows] for tensor in inputs)


def _numbered(name: str, state: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """The weights of each network by its number."""
    found: dict[str, dict[str, Array]] = defaultdict(dict)
    for key, array in state.items():
        owner, _, rest = key.partition(".")
        if owner == name:
            number, _, weight = rest.partition(".")
            found[number][weight] = array
    return found
