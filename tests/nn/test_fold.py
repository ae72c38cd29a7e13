import random

import pytest
import torch
from torch import nn

from squeezenas.core.space import spaces
from squeezenas.nn.fold import folded


def with_statistics(network: nn.Module) -> nn.Module:
    """Batch norms as after training: every statistic and parameter away from its start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


@pytest.mark.parametrize(
    ("name", "head"), [("squeezenas_small", "lr_aspp"), ("squeezenas_xlarge", "deeplabv3plus")]
)
def test_a_folded_network_computes_the_same(name: str, head: str) -> None:
    torch.manual_seed(0)
    space = spaces[name]()
    skips = space.architecture([len(choice.options) - 1 for choice in space.choices])
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    for architecture in (space.sample(random.Random(0)), skips):
        network = with_statistics(space.network(architecture, 5, head)).double().eval()
        with torch.no_grad():
            torch.testing.assert_close(folded(network)(images), network(images))


def test_every_batch_norm_is_folded_and_the_original_untouched() -> None:
    space = spaces["squeezenas_small"]()
    network = with_statistics(space.network(space.sample(random.Random(1)), 5, "lr_aspp"))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.train()
    twin = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in twin.modules())
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    assert not twin.training
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_weights_are_channels_last() -> None:
    twin = folded(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)))
    assert twin[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_norm_after_something_else_stays() -> None:
    network = with_statistics(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))
    ).eval()
    images = torch.randn(1, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(folded(network)(images), network(images))


def test_a_batch_norm_without_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="running statistics"):
        folded(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)))
