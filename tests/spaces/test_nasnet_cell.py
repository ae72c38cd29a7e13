import random

import pytest
import torch

from squeezenas.core.space import make_space
from squeezenas.nn.path import Path
from tests.spaces.cell_networks import check_head_names, check_inheritance
from tests.spaces.published_cells import AMOEBANET_A, NASNET_A, PNASNET_5

SMALL = {"cells": 3, "channels": 4}


def test_the_size_is_the_product_of_all_options() -> None:
    inputs = (2 * 3 * 4 * 5 * 6) ** 2
    assert make_space("nasnet_cell").size() == (inputs * 13**10) ** 2


@pytest.mark.parametrize(
    ("text", "output", "concats"),
    [
        (NASNET_A, "loose", ([2, 3, 4, 5, 6], [4, 5, 6])),
        (AMOEBANET_A, "loose", ([4, 5, 6], [3, 4, 6])),
        (PNASNET_5, "all", ([2, 3, 4, 5, 6], [2, 3, 4, 5, 6])),
    ],
)
def test_published_cells(text: str, output: str, concats: tuple[list[int], list[int]]) -> None:
    """What the papers put side by side is what no block reads; in PNASNet it is everything."""
    space = make_space("nasnet_cell", {**SMALL, "output": output})
    architecture = space.read([text])
    assert space.read(space.write(architecture)) == architecture
    genotype = space.genotype(architecture)
    assert ([*genotype.normal.concat], [*genotype.reduce.concat]) == concats
    assert str([*genotype.normal.edges])[1:-1] in text
    network = space.network(architecture, 3, "classifier")
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 3)


def test_what_a_cell_gives_follows_from_its_blocks() -> None:
    with pytest.raises(ValueError, match=r"normal_concat=\[2, 3, 4, 5, 6\].*nodes \[2, 3, 5, 6\]"):
        make_space("nasnet_cell").read([PNASNET_5])


@pytest.mark.parametrize("output", ["loose", "all"])
def test_inherited_weights(output: str) -> None:
    check_inheritance(make_space("nasnet_cell", {**SMALL, "output": output}), 1)


def test_head_names() -> None:
    check_head_names(make_space("nasnet_cell", SMALL))


def test_a_soft_path_is_refused() -> None:
    space = make_space("nasnet_cell", SMALL)
    supernet = space.supernet(3, "classifier")
    soft = Path({c.key: torch.full((len(c.options), 1), 0.5) for c in space.choices})
    with pytest.raises(ValueError, match="strategy enas or single_path"):
        supernet(torch.randn(2, 3, 16, 16), soft)


def test_the_gradient_of_a_picked_option_is_that_of_its_term() -> None:
    space = make_space("nasnet_cell", SMALL)
    torch.manual_seed(0)
    supernet = space.supernet(3, "classifier").eval()
    hard = Path.of(space.sample(random.Random(0)), space.choices)
    path = Path({key: row.requires_grad_() for key, row in hard.items()}, hard.picks)
    supernet(torch.randn(2, 3, 16, 16), path).sum().backward()
    for key, row in path.items():
        others = [option for option in range(len(row)) if option != path.picks[key]]
        assert row.grad is not None
        assert row.grad[others].abs().max() == 0
    assert any(row.grad[path.picks[key]] != 0 for key, row in path.items())


def test_an_input_that_nothing_reads_is_not_in_the_graph() -> None:
    space = make_space("nasnet_cell", SMALL)
    picks = [0 for _ in space.choices]
    adjacency, operations = space.graph(space.architecture(picks))
    assert operations.count("normal:c_{k-2}") == 1
    assert "normal:c_{k-1}" not in operations
    assert all(any(row) for row in adjacency[:-1])


def test_an_input_that_nothing_reads_has_no_weights() -> None:
    space = make_space("nasnet_cell", SMALL)
    picks = [int(choice.key.endswith("input1")) for choice in space.choices]
    picks[0] = 0  # node 2 of the normal cell reads node 0 twice, node 3 node 1
    every = space.network(space.architecture(picks), 3, "classifier")
    only = space.network(space.architecture([0 for _ in space.choices]), 3, "classifier")
    names = [{n for n, _ in network.named_parameters()} for network in (every, only)]
    assert any("inputs.previous" in name for name in names[0])
    assert not any("inputs.previous" in name for name in names[1])
    assert only(torch.randn(2, 3, 16, 16)).shape == (2, 3)
