import random

import pytest
import torch

from squeezenas.core.dropout_config import Dropout
from squeezenas.core.space import make_space
from squeezenas.nn.path import Path
from squeezenas.nn.recurrent_search_cell import loose_ends
from tests.nn.plain_recurrent import normalised, unrolled

HIDDEN, COLUMNS, TIMES, NODES = 5, 6, 3, 3
SPACES = {
    "darts_rnn": make_space("darts_rnn", {"hidden": HIDDEN, "nodes": NODES}),
    "enas_rnn": make_space("enas_rnn", {"hidden": HIDDEN, "nodes": NODES + 1}),
}


def soft_path(space, columns, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return Path({
        choice.key: torch.rand(len(choice.options), columns, generator=generator)
        .double().softmax(0).requires_grad_()
        for choice in space.choices
    })  # fmt: skip


def drawn():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(TIMES, COLUMNS, HIDDEN, generator=generator, dtype=torch.float64)
    state = torch.randn(1, COLUMNS, HIDDEN, generator=generator, dtype=torch.float64)
    return inputs, state


def search_cell(space):
    cell = space.search_cell().double()
    torch.nn.init.normal_(cell.weight)
    torch.nn.init.normal_(cell.start)
    return cell


def weights(path, key):
    return [row.unsqueeze(-1) for row in path[key]]


def plain_darts(cell, space, path, inputs, state):
    edges = []
    for node in range(1, NODES + 1):
        edges.append([
            (source, option, weight, cell.weight[node - 1])
            for source in range(node)
            for option, weight in zip(
                space.choices[0].options, weights(path, f"node{node}<{source}"), strict=True
            )
            if option != "none"
        ])  # fmt: skip
    outputs = [0.0, *[1 / NODES] * NODES]
    return unrolled(inputs, state[0], cell.start, {"tanh": 1.0}, edges, outputs, norm=normalised)


def plain_enas(cell, space, path, inputs, state):
    names = space.choices[0].options
    matrices = iter(cell.weight)
    owned = {(j, i): next(matrices) for j in range(NODES) for i in range(j + 1, NODES + 1)}
    edges, unread = [], [torch.ones(1, 1).double()] * (NODES + 1)
    for node in range(1, NODES + 1):
        reads = weights(path, f"node{node}.input")
        unread = [u * (1 - r) for u, r in zip(unread, reads, strict=False)] + unread[node:]
        edges.append([
            (source, name, reads[source] * weight, owned[source, node])
            for source in range(node)
            for name, weight in zip(names, weights(path, f"node{node}.activation"), strict=True)
        ])  # fmt: skip
    first = dict(zip(names, weights(path, "node0.activation"), strict=True))
    outputs = [u / sum(unread) for u in unread]
    return unrolled(inputs, state[0], cell.start, first, edges, outputs, norm_mean=normalised)


PLAIN = {"darts_rnn": plain_darts, "enas_rnn": plain_enas}


@pytest.mark.parametrize("columns", [1, COLUMNS])
@pytest.mark.parametrize("name", SPACES)
def test_a_soft_step_equals_its_plain_twin_with_gradients(name, columns):
    space = SPACES[name]
    cell, path, (inputs, state) = search_cell(space), soft_path(space, columns), drawn()
    raw, _ = cell(inputs, (state,), Dropout(), path)
    expected = PLAIN[name](cell, space, path, inputs, state)
    torch.testing.assert_close(raw, expected, rtol=1e-9, atol=1e-9)
    wanted = [cell.start, cell.weight, *path.values()]
    pull = torch.randn_like(raw)
    for mine, theirs in zip(
        torch.autograd.grad(raw, wanted, pull, allow_unused=True),
        torch.autograd.grad(expected, wanted, pull, allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", SPACES)
def test_a_hard_step_is_the_soft_one_of_ones_and_zeros(name):
    space = SPACES[name]
    cell, (inputs, state) = search_cell(space), drawn()
    hard = Path.of(space.sample(random.Random(5)), space.choices)
    hard = Path({key: w.double().requires_grad_() for key, w in hard.items()}, hard.picks)
    soft = Path(hard)
    picked, _ = cell(inputs, (state,), Dropout(), hard)
    mixed, _ = cell(inputs, (state,), Dropout(), soft)
    torch.testing.assert_close(picked, mixed, rtol=1e-10, atol=1e-10)
    pull = torch.randn_like(picked)
    mine = torch.autograd.grad(picked, cell.weight, pull, retain_graph=True)[0]
    torch.testing.assert_close(mine, torch.autograd.grad(mixed, cell.weight, pull)[0])
    # The picked rows, and they alone, pass a gradient on: strategies go straight through them.
    key = next(k for k, pick in hard.picks.items() if k.startswith("node3") and pick)
    through = torch.autograd.grad(picked, hard[key], pull)[0]
    assert through[hard.picks[key]].abs() > 0
    assert through.count_nonzero() == 1


def test_a_hard_step_may_pick_several_edges_of_a_node_or_none():
    space = SPACES["darts_rnn"]
    cell, (inputs, state) = search_cell(space), drawn()
    picks = dict(zip([choice.key for choice in space.choices], [1, 2, 3, 0, 0, 0], strict=True))
    rows = {k: torch.eye(5).double()[pick].view(5, 1) * 0.5 for k, pick in picks.items()}
    picked, _ = cell(inputs, (state,), Dropout(), Path(rows, picks))
    halves = {k: w if picks[k] else w * 0 for k, w in rows.items()}
    expected = plain_darts(cell, space, Path(halves), inputs, state)
    torch.testing.assert_close(picked, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", SPACES)
def test_the_inheriting_network_is_the_supernet_on_its_path(name, training):
    space, words = SPACES[name], 11
    architecture = space.sample(random.Random(2))
    supernet = space.supernet(words, "decoder").double()
    path = Path.of(architecture, space.choices)
    path = Path({key: w.double() for key, w in path.items()}, path.picks)
    tokens = torch.randint(words, (7, COLUMNS), generator=torch.Generator().manual_seed(1))
    supernet(tokens, None, path)  # moves the running statistics
    network = space.inheriting_network(architecture, words, "decoder").double()
    space.inherit(supernet, network, architecture)
    supernet.train(training), network.train(training)
    expected, found = supernet(tokens, None, path), network(tokens)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-10, atol=1e-10)

    alone = space.network(architecture, words, "decoder").double()
    space.inherit(supernet, alone, architecture)
    assert torch.equal(alone.cell.weight, network.cell.weight)
    assert not any("running" in key for key in alone.state_dict())


def test_only_picked_edges_run():
    space = SPACES["enas_rnn"]
    cell, (inputs, state) = search_cell(space), drawn()
    path = Path.of(space.read(["0 0 0 0 1 1 2"]), space.choices)
    raw, _ = cell(inputs, (state,), Dropout(), path)
    gradient = torch.autograd.grad(raw.square().sum(), cell.weight)[0]
    used = gradient.abs().sum((1, 2)) > 0
    assert used.tolist() == [True, True, False, False, True, False]  # 0-1 0-2 0-3 1-2 1-3 2-3


def test_loose_ends():
    assert loose_ends([0, 0, 1, 1]) == (2, 3, 4)
    assert loose_ends([0, 1, 2]) == (3,)
