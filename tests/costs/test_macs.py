import random

import pytest
import torch
from torch import nn

from squeezenas.core.space import spaces
from squeezenas.costs.macs import gmacs, macs_table, parameters, parameters_table

MAC_SMALL = (
    *("k3_e1_g2", "k3_e1_g1", "k3_e1_g1", "k3_e1_g2", "k5_e6_g1", "k3_e1_g1", "k3_e1_g1"),
    *("k3_e1_g2_d2", "k5_e6_g1", "k3_e6_g1_d2", "skip", "k3_e1_g2", "k5_e6_g1", "k3_e3_g1_d2"),
    *("k3_e1_g1_d2", "k3_e1_g1_d2", "k3_e6_g1_d2", "k3_e1_g2_d2", "k3_e1_g2_d2", "k3_e1_g2_d2"),
)


def test_a_convolution_counted_by_hand() -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1, groups=2)
    )
    by_hand = 16 * 32 * (8 * 3 * 9) + 16 * 32 * 4 * 4
    assert gmacs(layers, (32, 64)) == by_hand / 1e9
    assert parameters(layers) == (8 * 3 * 9 + 8 + 16 + 4 * 4 + 4) / 1e6


def test_counting_leaves_the_network_alone() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 8, 3))
    weight = layers[0].weight.clone()
    gmacs(layers, (32, 32))
    assert layers.training
    assert torch.equal(layers[0].weight, weight)


def test_the_published_figures_of_mac_small() -> None:
    space = spaces["squeezenas_small"]()
    network = space.read(MAC_SMALL)
    macs = macs_table(space, 19, "lr_aspp", (1024, 2048))
    assert macs.of(network) == pytest.approx(3.007512576, rel=0, abs=1e-9)
    assert macs.unit == "GMACs"
    count = parameters_table(space, 19, "lr_aspp", (1024, 2048)).of(network)
    assert round(count * 1e6, 6) == 277598


@pytest.mark.parametrize(
    ("name", "resolution"), [("squeezenas_small", (96, 192)), ("squeezenas_large", (256, 160))]
)
def test_the_table_is_exact_for_random_networks(name: str, resolution: tuple[int, int]) -> None:
    space, rng = spaces[name](), random.Random(1)
    state = torch.get_rng_state()
    macs = macs_table(space, 7, "lr_aspp", resolution)
    counts = parameters_table(space, 7, "lr_aspp", resolution)
    assert torch.equal(torch.get_rng_state(), state)  # counting draws no random numbers
    for _ in range(3):
        architecture = space.sample(rng)
        network = space.network(architecture, 7, "lr_aspp")
        assert macs.of(architecture) == pytest.approx(gmacs(network, resolution), abs=1e-9)
        assert counts.of(architecture) == pytest.approx(parameters(network), abs=1e-9)
