"""What a chain of units for classification must do, as checks that its tests call."""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn

from squeezenas.core.space import ChainSpace
from squeezenas.nn.path import Path
from tests.nn.trace import Weights, assert_same, mixture, randomised, trace
from tests.slow_twin import slow_twin

IMAGES = torch.linspace(-2, 2, 2 * 3 * 32 * 32, dtype=torch.float64).sin().view(2, 3, 32, 32)


def small_supernet(space: ChainSpace, memory: str = "full") -> nn.Module:
    torch.manual_seed(0)
    network = randomised(space.supernet(5, "classifier", memory).double())
    network.head.dropout = 0.0
    return network.to(memory_format=torch.channels_last)


def check_a_soft_step(space: ChainSpace, memory: str) -> None:
    """A training step of the supernet is that of plain layers."""

    def run(network: nn.Module, images: Tensor, weights: Weights) -> Tensor:
        logits: Tensor = network(images, Path(weights))
        return logits

    network = small_supernet(space, memory)
    weights = {choice.key: mixture(len(choice.options), 2) for choice in space.choices}
    expected = trace(slow_twin(network), run, IMAGES, weights)
    assert_same(trace(network, run, IMAGES, weights), expected, rtol=1e-5, atol=1e-6)


def check_a_hard_path(space: ChainSpace, training: bool) -> None:
    """A hard path is the network that inherits its weights."""
    network = small_supernet(space).train(training)
    for seed in range(2):
        architecture = space.sample(random.Random(seed))
        alone = space.network(architecture, 5, "classifier").double().train(training)
        alone.head.dropout = 0.0
        space.inherit(network, alone, architecture)
        with torch.no_grad():
            hard = network(IMAGES, Path.of(architecture, space.choices, batch=2))
            torch.testing.assert_close(hard, alone(IMAGES))


def check_candidates(space: ChainSpace, size: tuple[int, int]) -> None:
    """What costs are told of the units is what the supernet does."""
    with torch.device("meta"):
        supernet = space.supernet(5, "classifier")
        read: list[torch.Size] = []

        def remember(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            read.append(arguments[0].shape[1:])

        for choice, unit in zip(space.choices, supernet.units, strict=True):
            unit.register_forward_pre_hook(remember)
            for option, inside in zip(choice.options, unit.candidates, strict=True):
                assert repr(space.candidate(choice.key, option)) == repr(inside)
        first = space.architecture([0] * len(space.choices))
        supernet(torch.empty(1, 3, *size), Path.of(first, space.choices))
    assert read == [space.candidate_input(choice.key, *size) for choice in space.choices]
