import random
from math import comb

import pytest
import torch

from squeezenas.core.space import make_space
from squeezenas.nn.operations import DARTS
from tests.spaces.cell_networks import check_head_names, check_inheritance, count, without_auxiliary
from tests.spaces.published_cells import DARTS_V1, DARTS_V2

SPACE = make_space("darts_cell")
SMALL = {"cells": 4, "channels": 4}


@pytest.mark.parametrize(
    ("scale", "classes", "parameters"),
    [
        ({"cells": 20, "channels": 36, "auxiliary": True}, 10, 3349342),
        ({"cells": 14, "channels": 48, "stem": "imagenet", "auxiliary": True}, 1000, 4718752),
    ],
)
def test_the_parameters_of_the_published_networks(
    scale: dict[str, object], classes: int, parameters: int
) -> None:
    space = make_space("darts_cell", scale)
    with torch.device("meta"):
        network = space.network(space.read([DARTS_V2]), classes, "classifier")
    assert without_auxiliary(network) == parameters
    assert count(network) > parameters


def test_the_parameters_of_the_search_network() -> None:
    with torch.device("meta"):
        assert count(SPACE.supernet(10, "classifier")) == 1930618


def test_the_size_is_the_papers() -> None:
    cell = 1
    for node in range(2, 6):
        cell *= comb(node, 2) * 7**2
    assert SPACE.size() == cell**2
    assert cell == pytest.approx(1e9, rel=0.04)  # "about 10^9" in section 3.1.1
    assert len(SPACE.choices) == 28


def test_the_size_of_a_node_by_counting() -> None:
    """`allowed` leads to every legal node once, and to no other."""
    found = []

    def walk(picks: list[int]) -> None:
        if len(picks) == 5:
            found.append(tuple(picks[2:]))
            return
        for option, legal in enumerate(SPACE.allowed(picks)):
            if legal:
                walk([*picks, option])

    walk([1, 1])
    assert len(found) == len(set(found)) == comb(3, 2) * 7**2
    assert all(sum(pick != 0 for pick in picks) == 2 for picks in found)


def test_derive_keeps_the_two_strongest_edges() -> None:
    """Section 2.4; `none` is stronger than everything and does not count."""
    scores = {choice.key: [0.9, *[0.01] * 7] for choice in SPACE.choices}
    scores["normal.3<0"][DARTS.index("avg_pool_3x3")] = 0.03
    scores["normal.3<1"][DARTS.index("dil_conv_5x5")] = 0.02
    scores["normal.3<2"][DARTS.index("skip_connect")] = 0.04
    scores["normal.3<2"][DARTS.index("sep_conv_3x3")] = 0.035
    picks = dict(zip((c.key for c in SPACE.choices), SPACE.derive(scores).picks, strict=True))
    node = [DARTS[picks[f"normal.3<{source}"]] for source in range(3)]
    assert node == ["avg_pool_3x3", "none", "skip_connect"]


def test_samples_are_uniform() -> None:
    rng = random.Random(0)
    kept = [0] * 28
    operations = [0] * 8
    for _ in range(2000):
        for edge, pick in enumerate(SPACE.sample(rng).picks):
            kept[edge] += pick != 0
            operations[pick] += 1
    shares = [2 / node for node in (2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5)] * 2
    assert [n / 2000 for n in kept] == pytest.approx(shares, abs=0.05)
    assert [n / 32000 for n in operations[1:]] == pytest.approx([1 / 7] * 7, abs=0.012)


def test_mutation_reaches_operations_and_edges() -> None:
    rng = random.Random(0)
    parent = SPACE.read([DARTS_V1])
    changed = []
    for _ in range(200):
        picks = zip(parent.picks, SPACE.mutate(parent, rng).picks, strict=True)
        changed.append(sum(a != b for a, b in picks))
    assert set(changed) == {1, 2}


def test_illegal_nodes_are_named() -> None:
    picks = list(SPACE.read([DARTS_V1]).picks)
    picks[2:5] = [4, 4, 4]
    with pytest.raises(ValueError, match=r"normal\.3 has 3 inputs .*normal\.3<2.* has 2"):
        SPACE.architecture(picks)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("('sep_conv_3x3', 1), ('skip", "('sep_conv_3x3', 0), ('skip", "reads node 0 a second"),
        ("normal_concat=[2, 3, 4, 5]", "normal_concat=[4, 5]", r"normal_concat=\[4, 5\]"),
        ("('skip_connect', 0)", "('none', 0)", "unknown operation in .'none', 0"),
    ],
)
def test_what_a_genotype_cannot_have(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPACE.read([DARTS_V1.replace(old, new, 1)])


def test_a_published_genotype_in_both_forms() -> None:
    architecture = SPACE.read([DARTS_V1])
    (text,) = SPACE.write(architecture)
    assert "('sep_conv_3x3', 0), ('sep_conv_3x3', 1)" in text  # inputs of a node in rising order
    assert SPACE.read([text]) == architecture


@pytest.mark.parametrize("seed", [0, 1])
def test_inherited_weights(seed: int) -> None:
    check_inheritance(make_space("darts_cell", SMALL), seed)


def test_head_names() -> None:
    check_head_names(make_space("darts_cell", SMALL))


def test_the_auxiliary_classifier() -> None:
    space = make_space("darts_cell", {**SMALL, "auxiliary": True})
    network = space.network(space.sample(random.Random(0)), 3, "classifier")
    logits, side = network(torch.randn(2, 3, 32, 32))
    assert logits.shape == side.shape == (2, 3)
    assert network.eval()(torch.randn(1, 3, 32, 32)).shape == (1, 3)
    with pytest.raises(ValueError, match=r"8x8 or more, got 4x4"):
        network.train()(torch.randn(2, 3, 16, 16))


def test_lean_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="memory=lean: darts_cell"):
        SPACE.supernet(10, "classifier", "lean")


def test_graph_and_cells_agree() -> None:
    architecture = SPACE.read([DARTS_V2])
    adjacency, operations = SPACE.graph(architecture)
    assert len(operations) == 2 + 2 * (2 + 8)
    normal, reduce = SPACE.cells(architecture)
    assert (normal.name, reduce.name, normal.output) == ("normal", "reduce", "c_{k}")
    assert normal.edges[0] == ("c_{k-2}", "0", "sep_conv_3x3")
    assert normal.edges[-1] == ("3", "c_{k}", "")
    # Node 3 reads c_{k-2} and node 0, which is operations 3 and 4 of the graph.
    dilated = operations.index("dil_conv_3x3")
    assert [i for i, row in enumerate(adjacency) if row[dilated]] == [3, 4]
