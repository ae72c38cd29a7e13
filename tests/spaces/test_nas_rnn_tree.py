import itertools
import random

import pytest
import torch
from torch import Tensor

from squeezenas.core.dropout_config import Dropout
from squeezenas.core.space import SearchSpace, make_space
from squeezenas.costs.macs import parameters
from squeezenas.nn.tree_cell import TreeCell
from squeezenas.report.cell_layout import lay_out

HIDDEN, COLUMNS, TIMES = 5, 3, 4

# Figure 5 of the paper: a tree with two leaves.
FIGURE_5 = ["add tanh", "elem_mult relu", "elem_mult sigmoid", "add relu", "1 0"]

# The cell that the paper found, as TensorFlow ships it under the name NASCell.
NAS_CELL = [
    "add sigmoid", "add relu", "add sigmoid", "elem_mult relu",
    "add tanh", "add sigmoid", "add tanh", "add sigmoid",
    "elem_mult tanh", "add tanh", "elem_mult tanh", "add sigmoid",
    "elem_mult identity", "add tanh",
    "elem_mult tanh",
    "add tanh", "12 8",
]  # fmt: skip

# An LSTM: where the gates meet a leaf without weights, they pass.
LSTM = [
    "add sigmoid", "add identity", "add sigmoid", "add tanh",
    "add sigmoid", "add identity", "add identity", "add identity",
    "add identity", "elem_mult identity", "add identity", "add identity",
    "add tanh", "add identity",
    "elem_mult identity",
    "elem_mult identity", "12 0",
]  # fmt: skip


def rnn(**scale: object) -> SearchSpace:
    return make_space("nas_rnn_tree", scale)


def cell(texts: list[str]) -> TreeCell:
    space = rnn(hidden=HIDDEN, leaves=(len(texts) - 1) // 2)
    torch.manual_seed(0)
    network = space.network(space.read(texts), 7, "decoder").double().cell
    for weight in network.parameters():
        torch.nn.init.normal_(weight, 0, 0.7)
    return network


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    """Words `(T, N, H)`, state and memory `(1, N, H)`."""
    generator = torch.Generator().manual_seed(1)
    shapes = (TIMES, COLUMNS, HIDDEN), (1, COLUMNS, HIDDEN), (1, COLUMNS, HIDDEN)
    x, h, c = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return x, h, c


def test_size_is_that_of_the_paper() -> None:
    assert rnn().size() == 8**15 * 8 * 15**2
    assert rnn().size() == pytest.approx(6e16, rel=0.06)
    toy = rnn(leaves=2)
    assert toy.size() == 8**4 * 3**2
    assert [choice.key for choice in toy.choices] == [
        "node00.combination", "node00.activation", "node01.combination", "node01.activation",
        "node02.combination", "node02.activation", "inject.combination", "inject.activation",
        "memory", "injected",
    ]  # fmt: skip


def test_the_example_of_figure_5_step_by_step() -> None:
    network = cell(FIGURE_5)
    x, h, c = drawn()
    w1, w3 = network.of_input.split(HIDDEN)
    w2, w4 = network.of_state.split(HIDDEN)
    raw, (last, memory) = network(x, (h, c), Dropout())
    h, c = h[0], c[0]
    for time in range(TIMES):
        a0 = (x[time] @ w1.T + h @ w2.T).tanh()
        product = (x[time] @ w3.T) * (h @ w4.T)
        h, c = torch.sigmoid((a0 + c).clamp(min=0) * product.clamp(min=0)), product
        torch.testing.assert_close(raw[time], h)
    torch.testing.assert_close(last[0], h)
    torch.testing.assert_close(memory[0], c)


def test_the_published_cell() -> None:
    network = cell(NAS_CELL)
    x, h, c = drawn()
    raw, (_, memory) = network(x, (h, c), Dropout())
    h, c = h[0], c[0]
    for time in range(TIMES):
        u = (x[time] @ network.of_input.T).split(HIDDEN, -1)
        v = (h @ network.of_state.T).split(HIDDEN, -1)
        low = torch.tanh(torch.sigmoid(u[0] + v[0]) * (u[1] + v[1]).clamp(min=0))
        second = torch.tanh(torch.sigmoid(u[2] + v[2]) + (u[3] * v[3]).clamp(min=0))
        third = torch.tanh(torch.tanh(u[4] + v[4]) * torch.sigmoid(u[5] + v[5]))
        fourth = torch.sigmoid(torch.tanh(u[6] + v[6]) + torch.sigmoid(u[7] + v[7]))
        c = torch.tanh(low + c) * second
        h = torch.tanh(c * torch.tanh(third + fourth))
        torch.testing.assert_close(raw[time], h)
    torch.testing.assert_close(memory[0], c)


def test_an_lstm_is_one_of_the_cells() -> None:
    network = cell(LSTM)
    lstm = torch.nn.LSTM(HIDDEN, HIDDEN, bias=False).double()
    x, h, c = drawn()
    with torch.no_grad():
        for ours, theirs in (
            (network.of_input, lstm.weight_ih_l0),
            (network.of_state, lstm.weight_hh_l0),
        ):
            entry, forget, candidate, output = theirs.split(HIDDEN)
            nothing = torch.zeros_like(entry)
            leaves = (forget, nothing, entry, candidate, output, nothing, nothing, nothing)
            ours.copy_(torch.cat(leaves))
        raw, state = network(x, (h, c), Dropout())
        expected, expected_state = lstm(x, (h, c))
    torch.testing.assert_close(raw, expected)
    torch.testing.assert_close(state, expected_state)


def test_a_segment_in_two_parts_is_the_same() -> None:
    network = cell(NAS_CELL)
    x, h, c = drawn()
    whole, end = network(x, (h, c), Dropout())
    first, carried = network(x[:2], (h, c), Dropout())
    second, last = network(x[2:], carried, Dropout())
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(last, end)


def test_one_mask_for_the_state_at_all_times() -> None:
    network = cell(FIGURE_5)
    x, h, c = drawn()
    torch.manual_seed(7)
    raw, _ = network(x, (h, c), Dropout(hidden=0.5))
    torch.manual_seed(7)
    keep = torch.empty(COLUMNS, HIDDEN, dtype=torch.float64).bernoulli_(0.5) / 0.5
    assert 0 < (keep == 0).sum() < keep.numel()
    state = (h, c)
    for time in range(TIMES):
        expected, state = network(x[time : time + 1], (state[0] * keep, state[1]), Dropout())
        torch.testing.assert_close(raw[time], expected[0])


def test_bfloat16_products_leave_state_and_memory_in_float32() -> None:
    network = cell(NAS_CELL).float()
    x, h, c = (tensor.float() for tensor in drawn())
    with torch.autocast("cpu", torch.bfloat16):
        raw, (_, memory) = network(x, (h, c), Dropout())
    assert raw.dtype == memory.dtype == torch.float32
    torch.testing.assert_close(raw, network(x, (h, c), Dropout())[0], rtol=0.1, atol=0.1)


def test_a_language_network_of_the_papers_size() -> None:
    space = rnn()
    with torch.device("meta"):
        network = space.network(space.read(NAS_CELL), 10_000, "decoder")
    assert parameters(network) == pytest.approx(25, abs=0.05)  # table 2, shared embeddings
    small = rnn(hidden=6).network(space.read(NAS_CELL), 11, "decoder")
    output = small(torch.randint(11, (5, 3)))
    assert output.logits.shape == (5, 3, 11)
    assert [part.shape for part in output.state] == [(1, 3, 6)] * 2


def test_mirrored_trees_are_the_same_cell() -> None:
    """As many classes as Burnside's lemma gives for a tree of two leaves."""
    space = rnn(leaves=2)
    every = [
        space.architecture([*leaves, *rest])
        for leaves in itertools.product(range(2), range(4), repeat=2)
        for rest in itertools.product(range(2), range(4), (0,), (0,), range(3), range(3))
    ]
    mirrored_to_itself = 8 * 8  # equal leaves, both indices at the root
    assert len({space.canonical(a) for a in every}) == (len(every) + mirrored_to_itself) // 2

    network = cell(FIGURE_5)
    other = ["elem_mult relu", "add tanh", *FIGURE_5[2:4], "0 1"]
    assert space.canonical(space.read(other)) == space.canonical(space.read(FIGURE_5))
    twin = cell(other)
    with torch.no_grad():
        for ours, theirs in zip(twin.parameters(), network.parameters(), strict=True):
            ours.copy_(torch.cat(theirs.split(HIDDEN)[::-1]))
        x, h, c = drawn()
        torch.testing.assert_close(twin(x, (h, c), Dropout()), network(x, (h, c), Dropout()))


@pytest.mark.parametrize("leaves", [2, 3, 5, 8])
def test_every_node_is_below_the_root(leaves: int) -> None:
    space = rnn(leaves=leaves)
    architecture = space.sample(random.Random(leaves))
    tree = space.tree(architecture)
    below = [child for node in range(leaves, 2 * leaves - 1) for child in tree.children(node)]
    assert sorted(below) == list(range(2 * leaves - 2))
    adjacency, operations = space.graph(architecture)
    assert operations[:2] == ["input", "c_{t-1}"]
    assert len(operations) == 2 * leaves - 1 + 5
    assert sum(map(sum, adjacency)) == 1 + leaves + 2 * (leaves - 1) + 2 + 3
    (graph,) = space.cells(architecture)
    assert lay_out(graph).height > 0


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (FIGURE_5[:-1], "nas_rnn_tree has 10 choices, got 8 options"),
        (["mul tanh", *FIGURE_5[1:]], r"node00\.combination: unknown option 'mul'"),
        ([*FIGURE_5[:-1], "3 0"], "memory: unknown option '3'"),
    ],
)
def test_wrong_tokens(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rnn(leaves=2).read(texts)
