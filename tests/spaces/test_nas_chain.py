import itertools
import random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.space import SearchSpace, make_space
from squeezenas.costs.macs import parameters
from squeezenas.nn.nas_chain_network import side_by_side
from squeezenas.report.cell_layout import lay_out
from tests.nn.trace import randomised

# Figure 7 of the paper: height, width and filters of each layer, and the layers that it reads.
FIGURE_7 = (
    ("3 3 36", ()),
    ("3 3 48", (1,)),
    ("3 3 36", (1, 2)),
    ("5 5 36", (1, 2, 3)),
    ("3 7 48", (3, 4)),
    ("7 7 48", (2, 3, 4, 5)),
    ("7 7 48", (2, 3, 4, 5, 6)),
    ("7 3 36", (1, 6, 7)),
    ("7 1 36", (1, 5, 6, 8)),
    ("7 7 36", (1, 3, 4, 5, 6, 7, 8, 9)),
    ("5 7 36", (1, 2, 5, 6, 7, 8, 9, 10)),
    ("7 7 48", (1, 2, 3, 4, 6, 11)),
    ("7 5 48", (1, 3, 6, 7, 8, 9, 10, 11, 12)),
    ("7 5 48", (3, 7, 12, 13)),
    ("7 5 48", (6, 7, 11, 12, 13, 14)),
)


def chain(**scale: object) -> SearchSpace:
    return make_space("nas_chain", scale)


def published() -> list[str]:
    return [
        " ".join([convolution, *(str(int(earlier in sources)) for earlier in range(1, layer))])
        for layer, (convolution, sources) in enumerate(FIGURE_7, 1)
    ]


def test_size_is_the_product_of_the_papers_options() -> None:
    assert chain().size() == (4 * 4 * 4) ** 15 * 2 ** (15 * 14 // 2)
    assert chain(layers=20, strides=True).size() == (4 * 4 * 3 * 3 * 4) ** 20 * 2 ** (20 * 19 // 2)
    toy = chain(layers=2)
    every = itertools.product(*(range(len(choice.options)) for choice in toy.choices))
    assert sum(1 for _ in every) == toy.size()


def test_choices_are_the_tokens_in_the_controllers_order() -> None:
    assert [choice.key for choice in chain(layers=2, strides=True).choices] == [
        "layer00.height", "layer00.width", "layer00.stride_height", "layer00.stride_width",
        "layer00.filters", "layer01.height", "layer01.width", "layer01.stride_height",
        "layer01.stride_width", "layer01.filters", "layer01<0",
    ]  # fmt: skip


def test_the_network_of_figure_7_has_its_4_2_million_parameters() -> None:
    space = chain()
    architecture = space.read(published())
    assert space.write(architecture) == published()
    with torch.device("meta"):
        network = space.network(architecture, 10, "classifier")
    assert parameters(network) == pytest.approx(4.2, abs=0.05)  # table 1


def plainly(network: nn.Module, space: SearchSpace, texts: list[str], images: Tensor) -> Tensor:
    """The network written out in evaluation mode, every map in the place of zeros."""

    def together(maps: list[Tensor]) -> Tensor:
        height, width = max(len(x[0, 0]) for x in maps), max(len(x[0, 0, 0]) for x in maps)
        joined = torch.zeros(len(images), sum(len(x[0]) for x in maps), height, width).double()
        start = 0
        for x in maps:
            joined[:, start : start + len(x[0]), : x.shape[2], : x.shape[3]] = x
            start += len(x[0])
        return joined

    outputs: list[Tensor] = []
    read: set[int] = set()
    for text, (conv, norm, _) in zip(texts, network.layers, strict=True):
        height, width, down, right, _, *bits = map(int, text.split())
        sources = [source for source, bit in enumerate(bits) if bit]
        read |= set(sources)
        x = together([outputs[source] for source in sources] or [images])
        y = F.conv2d(x, conv.weight, None, (down, right), (height // 2, width // 2))
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * scale
        outputs.append((y * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).clamp(min=0))
    last = together([out for layer, out in enumerate(outputs) if layer not in read])
    return last.mean((2, 3)) @ network.head.linear.weight.T + network.head.linear.bias


@pytest.mark.parametrize("seed", range(4))
def test_a_network_is_its_layers_written_out(seed: int) -> None:
    space = chain(layers=5, strides=True)
    architecture = space.sample(random.Random(seed))
    torch.manual_seed(seed)
    network = randomised(space.network(architecture, 3, "classifier").double()).eval()
    images = torch.randn(2, 3, 13, 18, dtype=torch.float64)
    with torch.no_grad():
        expected = plainly(network, space, space.write(architecture), images)
        torch.testing.assert_close(network(images), expected)


def test_layers_without_anchors_read_the_image_and_all_reach_the_classifier() -> None:
    space = chain(layers=3)
    architecture = space.read(["1 1 24", "1 1 36 0", "1 1 64 0 0"])
    network = space.network(architecture, 7, "classifier")
    assert [layer[0].in_channels for layer in network.layers] == [3, 3, 3]
    assert network.head.linear.in_features == 24 + 36 + 64
    adjacency, _ = space.graph(architecture)
    assert adjacency == [[0, 1, 1, 1, 0], *[[0, 0, 0, 0, 1]] * 3, [0] * 5]


def test_smaller_maps_are_filled_up_with_zeros() -> None:
    joined = side_by_side([torch.ones(1, 2, 2, 5), torch.ones(1, 1, 3, 4)])
    assert joined.shape == (1, 3, 3, 5)
    assert joined.sum() == 2 * 2 * 5 + 3 * 4
    assert joined[0, 0, 2].sum() == joined[0, 2, :, 4].sum() == 0


def test_graph_and_picture_of_figure_7() -> None:
    space = chain()
    architecture = space.read(published())
    adjacency, operations = space.graph(architecture)
    assert operations[1] == "3x3_36"
    assert operations[-2:] == ["7x5_48", "output"]
    assert sum(map(sum, adjacency)) == 1 + sum(len(sources) for _, sources in FIGURE_7) + 1
    (cell,) = space.cells(architecture)
    assert len(cell.edges) == sum(map(sum, adjacency))
    assert lay_out(cell).height > 0


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["3 3 36", "3 3 48"], "nas_chain has 7 choices, got 6 options"),
        (["3 4 36", "3 3 48 1"], r"layer00\.width: unknown option '4'"),
        (["3 3 36", "3 3 40 1"], r"layer01\.filters: unknown option '40'"),
        (["3 3 36", "3 3 48 2"], "layer01<0: unknown option '2'"),
    ],
)
def test_wrong_tokens(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chain(layers=2).read(texts)


def test_it_has_no_supernet() -> None:
    with pytest.raises(ValueError, match="space nas_chain has no supernet"):
        chain().supernet(10, "classifier")
