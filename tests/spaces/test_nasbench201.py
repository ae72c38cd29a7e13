import itertools
import random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import make_space
from squeezenas.nn.nasbench201_network import OPERATIONS
from squeezenas.nn.path import Path
from tests.nn.trace import randomised
from tests.spaces.cell_networks import check_head_names, check_inheritance, count

SPACE = make_space("nasbench201")
TINY = make_space("nasbench201", {"cells": 1, "channels": 4})
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
IMAGES = torch.linspace(-2, 2, 2 * 3 * 8 * 8, dtype=torch.float64).sin().view(2, 3, 8, 8)


def cell(operation: str) -> Architecture:
    return SPACE.architecture([OPERATIONS.index(operation)] * 6)


def test_every_cell_has_a_text_of_its_own() -> None:
    cells = [SPACE.architecture(picks) for picks in itertools.product(range(5), repeat=6)]
    texts = [SPACE.write(each)[0] for each in cells]
    assert len(set(texts)) == SPACE.size() == 15_625
    assert [SPACE.read([text]) for text in texts[::37]] == cells[::37]
    assert SPACE.write(SPACE.read([RESNET])) == [RESNET]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "a cell is one text, .*, got 0"),
        ([RESNET, RESNET], "got 2"),
        (["|none~0|+|none~0|none~1|"], "is not of the form"),
        ([RESNET[:-1]], "is not of the form"),
        ([RESNET.replace("none~1", "none~2")], "node 3 reads nodes 0, 1, 2 in this order"),
        (
            [RESNET.replace("nor_conv_3x3~1", "conv_3x3~1")],
            r"2<1: unknown operation 'conv_3x3' \(d",
        ),
    ],
)
def test_wrong_texts_are_named(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPACE.read(texts)


@pytest.mark.parametrize(
    ("operation", "parameters", "flops"),
    [("nor_conv_3x3", 1.531546, 220.11969), ("skip_connect", 0.073306, 7.78305)],
)
def test_parameters_and_flops_are_those_of_the_benchmark(
    operation: str, parameters: float, flops: float
) -> None:
    """The largest and the smallest cell, in millions; a FLOP there is a multiply-add."""
    network = SPACE.network(cell(operation), 10, "classifier")
    assert count(network) / 1e6 == pytest.approx(parameters, abs=1e-9)
    counted = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda m, _, y: counted.append(m.weight.numel() * y.shape[2:].numel())
            )
    network(torch.zeros(1, 3, 32, 32))
    assert sum(counted) / 1e6 == pytest.approx(flops, abs=0.01)


def test_a_network_is_the_sum_over_the_edges() -> None:
    """Each node written out, an operation at a time."""
    torch.manual_seed(0)
    for seed in range(3):
        architecture = TINY.sample(random.Random(seed))
        network = randomised(TINY.network(architecture, 3, "classifier")).double().eval()
        names = [OPERATIONS[pick] for pick in architecture.picks]
        x = network.stem(IMAGES)
        for module in network.cells:
            x = module(x) if not hasattr(module, "edges") else slow_cell(module.edges, names, x)
        expected = network.head.linear(network.norm(x).mean((2, 3)))
        torch.testing.assert_close(network(IMAGES), expected)


def slow_cell(edges: nn.ModuleDict, names: list[str], x: Tensor) -> Tensor:
    nodes = [x]
    for target, first in ((1, 0), (2, 1), (3, 3)):
        total = torch.zeros_like(x)
        for source in range(target):
            name = names[first + source]
            if name == "skip_connect":
                total = total + nodes[source]
            elif name == "avg_pool_3x3":
                ones = F.avg_pool2d(torch.ones_like(x), 3, 1, 1)
                total = total + F.avg_pool2d(nodes[source], 3, 1, 1) / ones
            elif name != "none":
                _, convolution, norm = edges[f"{target}<{source}"][name]
                total = total + norm(convolution(nodes[source].clamp(min=0)))
        nodes.append(total)
    return nodes[-1]


def test_the_maps_are_halved_twice_and_odd_ones_refused() -> None:
    network = TINY.network(cell("skip_connect"), 3, "classifier")
    shapes = []
    for module in network.cells:
        module.register_forward_hook(lambda _m, _x, y: shapes.append(tuple(y.shape[1:])))
    network(torch.randn(1, 3, 32, 32))
    assert shapes == [(4, 32, 32), (8, 16, 16), (8, 16, 16), (16, 8, 8), (16, 8, 8)]
    with pytest.raises(ValueError, match="a map of 15x15 cannot be halved"):
        network(torch.randn(1, 3, 30, 30))


def test_inherited_weights() -> None:
    for seed in range(3):
        check_inheritance(TINY, seed)  # type: ignore[arg-type]
    check_head_names(TINY)


def test_a_soft_path_weighs_every_operation() -> None:
    """Linear in the weights of an edge that leads to the output."""
    torch.manual_seed(0)
    supernet = TINY.supernet(3, "classifier").double().eval()
    start = TINY.sample(random.Random(0))
    rows = {key: row.double() for key, row in Path.of(start, TINY.choices).items()}
    cells = [module for module in supernet.cells if hasattr(module, "edges")]
    x = supernet.stem(IMAGES)
    ends = []
    for option in range(5):
        rows["3<0"] = torch.eye(5, dtype=torch.float64)[:, option : option + 1]
        ends.append(cells[0](x, Path(rows)))
        hard = {c.key: int(rows[c.key].argmax()) for c in TINY.choices}
        torch.testing.assert_close(ends[-1], cells[0](x, Path(rows, hard)))
    shares = torch.rand(5, 2, dtype=torch.float64)
    shares /= shares.sum(0)
    rows["3<0"] = shares
    expected = sum(end * share.view(2, 1, 1, 1) for end, share in zip(ends, shares, strict=True))
    torch.testing.assert_close(cells[0](x, Path(rows)), expected)
    with pytest.raises(
        ValueError, match=r"nasbench201 has no memory=lean; use regime\.memory=full"
    ):
        TINY.supernet(3, "classifier", "lean")


def test_the_graph_has_a_node_an_edge() -> None:
    adjacency, operations = SPACE.graph(SPACE.read([RESNET]))
    assert operations[1:4] == ["nor_conv_3x3", "none", "nor_conv_3x3"]
    ways = [[int(a == b) for b in range(8)] for a in range(8)]
    for a in reversed(range(8)):
        for b in range(a + 1, 8):
            ways[a][b] = sum(adjacency[a][m] * ways[m][b] for m in range(a + 1, b + 1))
    assert ways[0][7] == 4  # 0-3, 0-1-3, 0-2-3, 0-1-2-3
    graphs = {
        str(SPACE.graph(SPACE.architecture(picks)))
        for picks in itertools.islice(itertools.product(range(5), repeat=6), 0, None, 11)
    }
    assert len(graphs) == len(range(0, 15_625, 11))


def test_the_picture_leaves_out_what_is_none() -> None:
    [drawn] = SPACE.cells(SPACE.read([RESNET]))
    assert [tuple(edge) for edge in drawn.edges] == [
        ("0", "1", "nor_conv_3x3"),
        ("1", "2", "nor_conv_3x3"),
        ("0", "3", "skip_connect"),
        ("2", "3", "skip_connect"),
    ]
