"""What the tests of all spaces of convolutional cells do."""

from __future__ import annotations

import random

import torch
from torch import nn

from squeezenas.core.space import SearchSpace
from squeezenas.nn.path import Path
from squeezenas.spaces.convolutional_cells import ConvolutionalCells


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def without_auxiliary(network: nn.Module) -> int:
    """Parameters as the official code of DARTS counts them: what an image passes in evaluation."""
    named = network.named_parameters()
    return sum(tensor.numel() for name, tensor in named if "auxiliary" not in name)


def check_inheritance(space: ConvolutionalCells, seed: int) -> None:
    """A network with inherited weights computes what the supernet does on its path."""
    torch.manual_seed(seed)
    architecture = space.sample(random.Random(seed))
    supernet = space.supernet(3, "classifier").double()
    for norm in supernet.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
    network = space.inheriting_network(architecture, 3, "classifier").double()
    space.inherit(supernet, network, architecture)
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    path = Path.of(architecture, space.choices)
    path = Path({key: row.double() for key, row in path.items()}, path.picks)
    for training in (False, True):
        expected = supernet.train(training)(x, path)
        torch.testing.assert_close(network.train(training)(x), expected)


def check_head_names(space: SearchSpace) -> None:
    """Only what is named `head.` depends on the classes."""
    architecture = space.sample(random.Random(0))
    shapes = []
    for classes in (3, 5):
        state = space.network(architecture, classes, "classifier").state_dict()
        shapes.append({k: v.shape for k, v in state.items() if not k.startswith("head.")})
    assert shapes[0] == shapes[1]
