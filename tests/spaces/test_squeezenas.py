from functools import cache

import pytest
import torch
from torch import nn

from squeezenas.core.space import SearchSpace, spaces
from squeezenas.costs.macs import gmacs
from squeezenas.nn.path import Path
from tests.spaces.published import NETWORKS, SUPERNET_PARAMETERS


@cache
def space_and_supernet(name: str) -> tuple[SearchSpace, nn.Module]:
    """With the published head, its tensors without data."""
    space = spaces[name]()
    with torch.device("meta"):
        return space, space.supernet(19, SUPERNET_PARAMETERS[name][0])


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_published_networks_have_their_parameters_and_gmacs(name: str) -> None:
    published = NETWORKS[name]
    space = spaces[published.space]()
    architecture = space.read(published.genotype.split())
    with torch.device("meta"):
        network = space.network(architecture, 19, published.head)
    assert count(network) == published.parameters
    assert gmacs(network, (1024, 2048)) == pytest.approx(published.gmacs, rel=0, abs=1e-9)


@pytest.mark.parametrize("name", SUPERNET_PARAMETERS)
def test_supernets_have_the_parameters_of_the_official_ones(name: str) -> None:
    space, supernet = space_and_supernet(name)
    architecture_parameters = sum(len(choice.options) for choice in space.choices)
    assert count(supernet) + architecture_parameters == SUPERNET_PARAMETERS[name][1]


@pytest.mark.parametrize("name", SUPERNET_PARAMETERS)
def test_options_are_in_the_official_order(name: str) -> None:
    space = spaces[name]()
    assert len(space.choices) == {"small": 20, "large": 22, "xlarge": 22}[name.split("_")[1]]
    for choice in space.choices:
        assert choice.options[2] == "k3_e3_g1"
        assert choice.options[5] == "k5_e1_g2"
        assert choice.options[11] == "k3_e6_g1_d2"
        assert choice.options[12:] == ("skip",)


@pytest.mark.parametrize("name", SUPERNET_PARAMETERS)
@pytest.mark.parametrize("size", [(64, 128), (96, 32)])
def test_candidate_input_is_what_the_units_read(name: str, size: tuple[int, int]) -> None:
    space, supernet = space_and_supernet(name)
    with torch.device("meta"):
        images = torch.empty(1, 3, *size)
        path = Path.of(space.architecture([0] * len(space.choices)), space.choices)
    read: list[torch.Size] = []

    def remember(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        read.append(arguments[0].shape[1:])

    hooks = [unit.register_forward_pre_hook(remember) for unit in supernet.units]
    supernet(images, path)
    for hook in hooks:
        hook.remove()
    assert read == [space.candidate_input(choice.key, *size) for choice in space.choices]


@pytest.mark.parametrize("name", SUPERNET_PARAMETERS)
def test_a_candidate_alone_is_that_of_the_supernet(name: str) -> None:
    space, supernet = space_and_supernet(name)
    with torch.device("meta"):
        for choice, unit in zip(space.choices, supernet.units, strict=True):
            for option, inside in zip(choice.options, unit.candidates, strict=True):
                assert repr(space.candidate(choice.key, option)) == repr(inside)


def test_text_that_is_no_candidate() -> None:
    space = spaces["squeezenas_small"]()
    genotype = NETWORKS["mac_small"].genotype.split()
    genotype[4] = "k5_e6_g2"
    with pytest.raises(ValueError, match=r"unit04: unknown option 'k5_e6_g2' \(did you mean 'k5_e"):
        space.read(genotype)
