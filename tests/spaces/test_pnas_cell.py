import itertools
import random
from statistics import fmean

import pytest
import torch

from squeezenas.core.space import make_space
from squeezenas.nn.path import Path
from squeezenas.spaces.pnas_cell import PNAS
from tests.spaces.cell_networks import check_head_names, check_inheritance

SMALL = {"cells": 3, "channels": 4}
PNASNET_5 = [
    "0 sep_conv_5x5 0 max_pool_3x3",
    "1 sep_conv_7x7 1 max_pool_3x3",
    "1 sep_conv_5x5 1 sep_conv_3x3",
    "4 sep_conv_3x3 1 max_pool_3x3",
    "0 sep_conv_3x3 1 skip_connect",
]


def orders(blocks):
    """Every way to write a cell down: legal orders of its blocks, terms of each either way."""
    found = set()
    for order in itertools.permutations(range(len(blocks))):
        names, written = {0: 0, 1: 1}, []
        for new, old in enumerate(order):
            if any(source not in names for source, _ in blocks[old]):
                break
            written.append([(names[source], name) for source, name in blocks[old]])
            names[old + 2] = new + 2
        else:
            for turned in itertools.product((False, True), repeat=len(blocks)):
                pairs = zip(written, turned, strict=True)
                found.add(tuple(tuple(reversed(b) if t else b) for b, t in pairs))
    return found


def every(blocks):
    space = make_space("pnas_cell", {**SMALL, "blocks": blocks})
    picks = itertools.product(*(range(len(choice.options)) for choice in space.choices))
    return space, picks


def test_136_of_256_cells_of_one_block_differ():
    space, picks = every(1)
    cells = [space.architecture(row) for row in picks]
    assert len(cells) == space.size() == 256
    assert len({space.canonical(cell) for cell in cells}) == 136


def test_cells_of_two_blocks_by_a_formula():
    """Two blocks on the inputs alone have no order; the others read the first block."""
    space = make_space("pnas_cell", {"blocks": 2})
    terms = [[(source, name) for source in range(node) for name in PNAS] for node in (2, 3)]
    firsts, seconds = (list(itertools.combinations_with_replacement(t, 2)) for t in terms)
    assert (len(firsts), len(seconds)) == (136, 300)
    cells = (space.of_blocks(blocks) for blocks in itertools.product(firsts, seconds))
    unordered, ordered = 136 * 137 // 2, 136 * (300 - 136)
    assert len({space.canonical(cell) for cell in cells}) == unordered + ordered


def test_the_sizes_that_the_paper_counts():
    """5.6e14 cells, of which about 10^12 differ: 1 / (ways to write each) summed over all."""
    space = make_space("pnas_cell")
    assert space.size() == pytest.approx(5.6e14, rel=0.01)
    rng = random.Random(0)
    shares = [1 / len(orders(space.blocks(space.sample(rng)))) for _ in range(150)]
    assert 1e12 < space.size() * fmean(shares) < 1e13


def test_all_ways_to_write_a_cell_are_one():
    space = make_space("pnas_cell")
    rng = random.Random(1)
    for _ in range(10):
        cell = space.sample(rng)
        for blocks in rng.sample(sorted(orders(space.blocks(cell))), 4):
            assert space.canonical(space.of_blocks(blocks)) == space.canonical(cell)


def test_blocks_that_look_alike_are_two_nodes():
    """A sum of one node with itself is not the sum of two alike, which have their own weights."""
    space = make_space("pnas_cell", {"blocks": 3})
    alike = ["0 sep_conv_3x3 1 sep_conv_3x3"] * 2
    once = space.read([*alike, "2 skip_connect 2 skip_connect"])
    both = space.read([*alike, "2 skip_connect 3 skip_connect"])
    other = space.read([*alike, "3 skip_connect 3 skip_connect"])
    assert space.canonical(once) != space.canonical(both)
    assert space.canonical(once) == space.canonical(other)


def test_allowed_is_exactly_what_is_legal():
    space, picks = every(2)
    legal = 0
    for row in random.Random(0).sample(list(itertools.islice(picks, 0, None, 97)), 2000):
        walked = all(space.allowed(row[:place])[pick] for place, pick in enumerate(row))
        try:
            space.architecture(row)
        except ValueError:
            assert not walked
        else:
            assert walked
            legal += 1
    assert legal > 1000


def test_draws_are_uniform_over_all_lengths():
    space = make_space("pnas_cell", {"blocks": 2})
    lengths = [space.length(space.sample(random.Random(n)).picks) for n in range(20_000)]
    assert lengths.count(1) / 20_000 == pytest.approx(1 / 577, rel=0.5)


def test_mutations_reach_every_length():
    space = make_space("pnas_cell", {"blocks": 3})
    rng = random.Random(0)
    cell, seen = space.sample(rng), set()
    for _ in range(300):
        before, cell = space.length(cell.picks), space.mutate(cell, rng)
        assert abs(space.length(cell.picks) - before) <= 1
        seen.add(space.length(cell.picks))
    assert seen == {1, 2, 3}


def test_the_published_cell():
    space = make_space("pnas_cell", SMALL)
    architecture = space.read(PNASNET_5)
    assert space.write(architecture) == PNASNET_5
    genotype = space.genotype(architecture)
    assert genotype.normal == genotype.reduce
    assert genotype.normal.concat == (2, 3, 4, 5, 6)
    network = space.network(architecture, 3, "classifier")
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 3)


def test_a_cell_of_one_block_is_a_small_network():
    space = make_space("pnas_cell", SMALL)
    one = space.read(["0 skip_connect 1 sep_conv_3x3"])
    network = space.network(one, 3, "classifier")
    assert all(len(cell.operations) == 2 for cell in network.cells)
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 3)
    (cell,) = space.cells(one)
    assert [edge.operation for edge in cell.edges] == ["skip_connect", "sep_conv_3x3", ""]


def test_the_graph_has_the_cell_once():
    space = make_space("pnas_cell", SMALL)
    adjacency, operations = space.graph(space.read(PNASNET_5))
    assert len(operations) == 1 + 2 + 10 + 1
    fourth = 3 + 2 * 3
    assert operations[fourth] == "sep_conv_3x3"
    assert [node for node, row in enumerate(adjacency) if row[fourth]] == [7, 8]  # the third block


@pytest.mark.parametrize("blocks", [1, 3])
def test_inherited_weights(blocks):
    check_inheritance(make_space("pnas_cell", {**SMALL, "blocks": blocks}), 1)


def test_inherited_weights_of_a_shorter_cell():
    space = make_space("pnas_cell", {**SMALL, "blocks": 3})
    space.sample = lambda rng: space.read(["0 sep_conv_3x3 1 skip_connect"])
    check_inheritance(space, 2)


def test_head_names():
    check_head_names(make_space("pnas_cell", SMALL))


def test_a_soft_path_is_refused():
    space = make_space("pnas_cell", SMALL)
    soft = Path({c.key: torch.full((len(c.options), 1), 0.5) for c in space.choices})
    with pytest.raises(ValueError, match="strategy enas or single_path"):
        space.supernet(3, "classifier")(torch.randn(2, 3, 16, 16), soft)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "1 to 5 blocks, got 0"),
        (["0 skip_connect"], r"block 1: .* is not of the form"),
        (["0 skip_connect 2 skip_connect"], r"block 1: no node '2' in 0\.\.1"),
        (["0 skip_connect 1 sep_conv_3x4"], "block 1: .*did you mean 'sep_conv_3x3'"),
    ],
)
def test_texts_that_are_wrong(texts, message):
    with pytest.raises(ValueError, match=message):
        make_space("pnas_cell").read(texts)


def test_nothing_follows_the_end_of_a_cell():
    space = make_space("pnas_cell", {"blocks": 2})
    with pytest.raises(ValueError, match=r"block2\.op1: the cell ends after block 1"):
        space.architecture([0, 0, 0, 0, 0, 0, 3, 0])
