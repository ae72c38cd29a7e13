import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from squeezenas.core.dropout_config import Dropout
from squeezenas.nn.recurrent_cell import JoinedBatchNorm, Node, RecurrentCell, Wiring
from tests.nn.plain_recurrent import unrolled

HIDDEN, COLUMNS, TIMES = 5, 4, 6

TREE = Wiring("tanh", (Node(0, "sigmoid"), Node(1, "relu"), Node(1, "identity"), Node(2, "tanh")),
              (1, 2, 3, 4))  # fmt: skip
LOOSE = Wiring("relu", (Node(0, "tanh"), Node(0, "sigmoid"), Node(1, "relu")), (2, 3))


def drawn(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = TIMES, COLUMNS, HIDDEN
    inputs = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    state = torch.randn(1, *shape[1:], generator=generator, dtype=torch.float64, requires_grad=True)
    return inputs, state


def plain(cell, wiring, inputs, state, **kwargs):
    edges = [
        [(node.predecessor, node.activation, 1.0, matrix)]
        for node, matrix in zip(wiring.nodes, cell.weight, strict=True)
    ]
    count = len(wiring.outputs)
    outputs = [(n in wiring.outputs) / count for n in range(len(wiring.nodes) + 1)]
    return unrolled(inputs, state[0], cell.start, {wiring.first: 1.0}, edges, outputs, **kwargs)


@pytest.mark.parametrize("wiring", [TREE, LOOSE])
def test_equals_its_plain_twin_with_gradients(wiring):
    cell = RecurrentCell(HIDDEN, wiring).double()
    torch.nn.init.normal_(cell.weight)
    torch.nn.init.normal_(cell.start)
    inputs, state = drawn()
    raw, (last,) = cell(inputs, (state,), Dropout())
    expected = plain(cell, wiring, inputs, state)
    torch.testing.assert_close(raw, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(last[0], raw[-1])
    wanted = (inputs, state, cell.start, cell.weight)
    pull = torch.randn_like(raw)
    for mine, theirs in zip(
        torch.autograd.grad(raw, wanted, pull), torch.autograd.grad(expected, wanted, pull),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_a_segment_in_two_parts_is_the_same():
    cell = RecurrentCell(HIDDEN, TREE).double()
    inputs, state = drawn()
    whole, _ = cell(inputs, (state,), Dropout())
    first, carried = cell(inputs[:2], (state,), Dropout())
    second, _ = cell(inputs[2:], carried, Dropout())
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-15)


def test_one_mask_for_the_state_and_all_nodes_at_all_times():
    cell = RecurrentCell(HIDDEN, TREE).double()
    inputs, state = drawn()
    torch.manual_seed(7)
    raw, _ = cell(inputs, (state,), Dropout(cell=0.5, hidden=0.25))
    torch.manual_seed(7)
    of_input = torch.empty(COLUMNS, HIDDEN, dtype=torch.float64).bernoulli_(0.5) / 0.5
    keep = torch.empty(COLUMNS, HIDDEN, dtype=torch.float64).bernoulli_(0.75) / 0.75
    assert 0 < (keep == 0).sum() < keep.numel()
    expected = plain(cell, TREE, inputs * of_input, state, keep=keep)
    torch.testing.assert_close(raw, expected, rtol=1e-12, atol=1e-12)


def test_the_batch_norm_is_that_of_pytorch_without_scale():
    values = torch.randn(9, HIDDEN)
    norm, reference = JoinedBatchNorm(HIDDEN), torch.nn.BatchNorm1d(HIDDEN, affine=False)
    assert torch.equal(norm(values), reference(values))
    assert torch.equal(norm.running_var, reference.running_var)
    assert torch.equal(norm.eval()(values), reference.eval()(values))


def test_bfloat16_products_leave_the_state_in_float32():
    cell = RecurrentCell(HIDDEN, TREE)
    inputs, state = (tensor.detach().float() for tensor in drawn())
    with torch.autocast("cpu", torch.bfloat16):
        raw, _ = cell(inputs, (state,), Dropout())
    assert raw.dtype == torch.float32
    torch.testing.assert_close(raw, cell(inputs, (state,), Dropout())[0], rtol=0.05, atol=0.05)


def one_of_two(rank, folder):
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    norm = JoinedBatchNorm(HIDDEN).double()
    values = torch.load(f"{folder}/values.pt")[4 * rank : 4 * rank + 4]
    torch.save((norm(values), norm.running_mean, norm.running_var), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_normalise_with_the_joined_columns(tmp_path):
    values = torch.randn(8, HIDDEN, dtype=torch.float64)
    torch.save(values, tmp_path / "values.pt")
    mp.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    alone = JoinedBatchNorm(HIDDEN).double()
    expected = alone(values)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), expected)
    for _, mean, variance in parts:
        torch.testing.assert_close(mean, alone.running_mean)
        torch.testing.assert_close(variance, alone.running_var)
