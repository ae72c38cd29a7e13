import itertools
import math
import random
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import SearchSpace, make_space
from squeezenas.nn.macro_network import OPERATIONS, operation
from squeezenas.nn.path import Path
from tests.nn.trace import mixture, randomised

IMAGES = torch.linspace(-2, 2, 2 * 3 * 16 * 16, dtype=torch.float64).sin().view(2, 3, 16, 16)


def macro(layers: int = 6, channels: int = 4) -> SearchSpace:
    return make_space("enas_macro", {"layers": layers, "channels": channels})


def supernet(space: SearchSpace) -> nn.Module:
    torch.manual_seed(0)
    return still(randomised(space.supernet(5, "classifier").double()))


def still(network: nn.Module) -> nn.Module:
    network.head.dropout = 0.0
    return network


def test_its_size_is_that_of_the_paper() -> None:
    for layers in (3, 6, 12):
        assert macro(layers).size() == 6**layers * 2 ** (layers * (layers - 1) // 2)
    assert make_space("enas_macro").size() == pytest.approx(1.6e29, rel=0.01)


def slow_forward(network: nn.Module, space: SearchSpace, images: Tensor, path: Path) -> Tensor:
    """The supernet written out: every operation, every join a convolution of its own, a sum."""

    def plain(layer: nn.Module, wide: int, position: int, x: Tensor) -> Tensor:
        weight = layer.join.weight[:, position * wide : (position + 1) * wide]
        return F.conv2d(x.relu(), weight)

    x = network.stem(images)
    outputs: list[Tensor] = []
    for index, layer in enumerate(network.layers):
        key = f"layer{index:02d}"
        y = sum(
            path[key][position].view(-1, 1, 1, 1) * layer.operations[option](x)
            for position, option in enumerate(OPERATIONS)
        )
        if index:
            wide = y.shape[1]
            joined = plain(layer, wide, 0, y)
            for source in range(index):
                share = path[f"{key}<{source}"][1].view(-1, 1, 1, 1)
                joined = joined + plain(layer, wide, 1 + source, share * outputs[source])
            y = layer.norm(joined)
        outputs.append(y)
        if index + 1 in (space.scale.layers // 3, 2 * (space.scale.layers // 3)):
            outputs = [network.reductions[f"{index}_{s}"](out) for s, out in enumerate(outputs)]
        x = outputs[-1]
    logits: Tensor = network.head(x)
    return logits


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_a_soft_path_is_the_supernet_written_out(training: bool, batch: int) -> None:
    space = macro()
    network = supernet(space).train(training)
    rows = {c.key: mixture(len(c.options), batch).requires_grad_() for c in space.choices}
    found = network(IMAGES, Path(rows))
    expected = slow_forward(network, space, IMAGES, Path(rows))
    torch.testing.assert_close(found, expected)
    wanted = [*network.parameters(), *rows.values()]
    for ours, theirs in zip(
        torch.autograd.grad(found.square().sum(), wanted, allow_unused=True),
        torch.autograd.grad(expected.square().sum(), wanted, allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("training", [False, True])
def test_a_hard_path_is_the_network_that_inherits_its_weights(training: bool) -> None:
    space = macro()
    network = supernet(space).train(training)
    for seed in range(4):
        architecture = space.sample(random.Random(seed))
        alone = still(space.network(architecture, 5, "classifier").double()).train(training)
        space.inherit(network, alone, architecture)
        with torch.no_grad():
            hard = network(IMAGES, Path.of(architecture, space.choices))
            torch.testing.assert_close(hard, alone(IMAGES))
            if not training:
                one_hot = {key: row.double() for key, row in path_of(space, architecture).items()}
                torch.testing.assert_close(network(IMAGES, Path(one_hot)), hard)


def path_of(space: SearchSpace, architecture: Architecture) -> Path:
    return Path.of(architecture, space.choices)


def test_a_hard_path_touches_what_it_takes_and_nothing_else() -> None:
    space = macro(3)
    network = supernet(space)
    architecture = space.read(["0", "3 1", "5 0 0"])
    rows = {k: row.double().requires_grad_() for k, row in path_of(space, architecture).items()}
    picks = path_of(space, architecture).picks
    network(IMAGES, Path(rows, picks)).square().sum().backward()
    for layer, pick in enumerate((0, 3, 5)):
        for option, module in enumerate(network.layers[layer].operations.values()):
            assert all((p.grad is not None) == (option == pick) for p in module.parameters())
        assert rows[f"layer{layer:02d}"].grad[pick].abs() > 0
    assert rows["layer01<0"].grad[1].abs() > 0
    assert rows["layer02<0"].grad is None
    blocks = network.layers[2].join.weight.grad.unflatten(1, (3, -1)).abs().sum((0, 2, 3, 4))
    assert (blocks > 0).tolist() == [True, False, False]


def test_a_network_has_only_what_it_uses() -> None:
    """Parameters by the formula: a stem, operations, joins, reductions of what is read later."""
    space = macro(6, 8)
    for seed in range(5):
        architecture = space.sample(random.Random(seed))
        network = space.network(architecture, 10, "classifier")
        total, channels, position = 27 * 8 + 2 * 8, 8, 0
        joins: list[list[int]] = []
        for layer in range(6):
            pick, *bits = architecture.picks[position : position + 1 + layer]
            joins.append([source for source, bit in enumerate(bits) if bit])
            position += 1 + layer
            kernel = (3, 3, 5, 5, 0, 0)[pick]
            weights = (kernel**2 * channels if pick in (0, 2) else kernel**2 + channels) * channels
            total += channels**2 + 2 * channels + (weights + 2 * channels if kernel else 0)
            if layer:
                total += (1 + len(joins[layer])) * channels**2 + 2 * channels
            channels *= 2 if layer in (1, 3) else 1
        for after, wide in ((1, 8), (3, 16)):
            later = {after}
            for layer in range(after + 1, 6):
                bits = architecture.picks[layer * (layer + 1) // 2 + 1 :][:layer]
                later |= {source for source, bit in enumerate(bits) if bit and source <= after}
            total += len(later) * (wide * 2 * wide + 2 * 2 * wide)
        total += channels * 10 + 10
        assert sum(p.numel() for p in network.parameters()) == total


@pytest.mark.parametrize("option", OPERATIONS)
def test_operations_keep_the_shape(option: str) -> None:
    assert operation(option, 4)(torch.randn(2, 4, 7, 5)).shape == (2, 4, 7, 5)


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(ValueError, match=r"'conv_7x7' is no operation; known: conv_3x3, sep_"):
        operation("conv_7x7", 4)


def test_integers_as_the_authors_write_them() -> None:
    space = macro(3)
    architecture = space.read(["0", "3 0", "5 1 0"])
    assert architecture.picks == (0, 3, 0, 5, 1, 0)
    assert space.write(architecture) == ["0", "3 0", "5 1 0"]
    assert space.read(["0 3 0 5 1 0"]) == architecture
    options = [
        choice.options[pick] for choice, pick in zip(space.choices, architecture.picks, strict=True)
    ]
    assert options == [
        *("conv_3x3", "sep_conv_5x5", "apart", "max_pool_3x3", "joined", "apart"),
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["0", "3 0", "5 1"], "of 3 layers has 6 integers, got 5; .* scale.layers"),
        (["0", "3 0", "6 1 0"], r"layer02: '6', integer 4 of 6, is not in 0\.\.5 \(conv_3x3"),
        (["0", "3 2", "5 1 0"], r"layer01<0: '2', integer 3 of 6, .* 0\.\.1 \(apart, joined\)"),
        (["0", "3 -1", "5 1 0"], "layer01<0: '-1'"),
        (["0", "x 1", "5 1 0"], "layer01: 'x'"),
        (["0", "٣ 1", "5 1 0"], "layer01: '٣'"),
    ],
)
def test_wrong_integers_are_named(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        macro(3).read(texts)


def test_every_architecture_of_a_tiny_space_has_a_graph_of_its_own() -> None:
    space = macro(3)
    ranges = [range(len(choice.options)) for choice in space.choices]
    graphs = Counter(
        repr(space.graph(space.architecture(picks))) for picks in itertools.product(*ranges)
    )
    assert len(graphs) == space.size() == math.prod(map(len, ranges))


def test_the_picture_has_an_edge_an_operation_and_one_a_join() -> None:
    space = macro(3)
    [cell] = space.cells(space.read(["0", "3 1", "5 1 0"]))
    assert [tuple(edge) for edge in cell.edges] == [
        ("stem", "0", "conv_3x3"),
        ("0", "1", "sep_conv_5x5"),
        ("0", "1", ""),
        ("1", "2", "max_pool_3x3"),
        ("0", "2", ""),
        ("2", "classifier", ""),
    ]


def test_what_it_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"enas_macro has no memory=lean; use regime\.memory=full"):
        macro().supernet(5, "classifier", "lean")
    with pytest.raises(ValueError, match=r"space enas_macro: .*scale\.layers"):
        macro(2)
