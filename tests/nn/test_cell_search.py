"""The DARTS search network against its plain twin, and under hard paths."""

import random

import pytest
import torch
from torch import Tensor, nn

from squeezenas.core.space import make_space
from squeezenas.nn.batch_norm import BatchNorm2d
from squeezenas.nn.cell import CellShape
from squeezenas.nn.operations import DARTS
from squeezenas.nn.path import Path
from squeezenas.nn.search_cell import SearchCell, joined_grids, scaled_norm, sub_grids
from tests.nn.plain_cells import PlainCell, PlainSearchNetwork
from tests.nn.trace import Trace, assert_same, mixture, trace

SPACE = make_space("darts_cell", {"cells": 3, "channels": 2})
KEYS = [choice.key for choice in SPACE.choices]


def networks() -> tuple[nn.Module, nn.Module]:
    """Ours and the twin, in float64, with one state."""
    torch.manual_seed(0)
    ours = SPACE.supernet(3, "classifier").double().to(memory_format=torch.channels_last)
    moved(ours)
    twin = PlainSearchNetwork(3, 2, 3).double()
    twin.load_state_dict(ours.state_dict())
    return ours.train(), twin.train()


def moved(network: nn.Module) -> None:
    """Statistics away from their start."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)


def run(network: nn.Module, x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return network(x, Path(weights))


def traced(network: nn.Module, x: Tensor, weights: dict[str, Tensor]) -> Trace:
    """With every name of a buffer that several edges share."""
    return trace(network, run, x, weights) | network.state_dict()


def images(batch: int, side: int = 8) -> Tensor:
    x = torch.randn(batch, 3, side, side, dtype=torch.float64) * 2 + 1
    return x.to(memory_format=torch.channels_last)


@pytest.mark.parametrize(("columns", "side"), [(1, 8), (2, 8), (1, 12)])  # 12, 6, 3: an odd map
def test_a_training_step_is_that_of_the_plain_network(columns: int, side: int) -> None:
    ours, twin = networks()
    x, weights = images(2, side), {key: mixture(8, columns) for key in KEYS}
    assert_same(traced(ours, x, weights), traced(twin, x, weights))


def test_evaluation_is_that_of_the_plain_network() -> None:
    ours, twin = networks()
    x, weights = images(2), {key: mixture(8, 2) for key in KEYS}
    assert_same(traced(ours.eval(), x, weights), traced(twin.eval(), x, weights))


def test_frozen_weights_change_no_other_gradient() -> None:
    ours, _ = networks()
    x, weights = images(2), {key: mixture(8, 1) for key in KEYS}
    free = {k: v for k, v in trace(ours, run, x, weights).items() if not k.startswith("gradient ")}
    again, _ = networks()
    assert_same(trace(again.requires_grad_(False), run, x, weights), free)


@pytest.mark.parametrize("kind", ["normal", "reduce"])
def test_a_picked_operation_is_one_term_of_the_sum(kind: str) -> None:
    torch.manual_seed(0)
    shape = CellShape(kind, 4, 4, 4, False)
    cell = SearchCell(shape).double()
    moved(cell)
    twin = PlainCell(kind, 4, 4, 4, False).double()
    twin.load_state_dict(cell.state_dict())
    architecture = SPACE.sample(random.Random(1))
    path = Path.of(architecture, SPACE.choices, 2)
    scale = torch.tensor([1.0, 0.5])
    path = Path({key: (row * scale).double() for key, row in path.items()}, path.picks)
    before, previous = images(2)[:, [0, 1, 2, 0]], images(2)[:, [2, 1, 0, 0]]
    torch.testing.assert_close(cell(before, previous, path), twin(before, previous, path))


def test_only_the_picked_operations_run() -> None:
    ours, _ = networks()
    architecture = SPACE.sample(random.Random(0))
    ran: list[str] = []
    for name, module in ours.named_modules():
        if name.count(".") == 4 and ".edges." in name:
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    ours(images(1), Path.of(architecture, SPACE.choices))
    picked = [DARTS[pick] for pick in architecture.picks]
    edges = list(enumerate(picked[:14])), list(enumerate(picked[14:]))
    expected = [
        f"cells.{cell}.edges.{edge}.{name}"
        for cell, kind in enumerate((0, 1, 1))
        for edge, name in edges[kind]
        if name != "none"
    ]
    without_pools = [name for name in ran if "pool" not in name]
    assert without_pools == [name for name in expected if "pool" not in name]


def test_a_cell_of_none_gives_zeros() -> None:
    path = Path({key: torch.ones(8, 1).double() for key in KEYS}, dict.fromkeys(KEYS, 0))
    cell = SearchCell(CellShape("reduce", 4, 4, 4, False)).double()
    x = images(2)[:, [0, 1, 2, 0]]
    assert torch.equal(cell(x, x, path), torch.zeros(2, 16, 4, 4, dtype=torch.float64))


def test_sub_grids_and_back() -> None:
    x = torch.randn(2, 3, 6, 4)
    grids = sub_grids(x)
    assert torch.equal(grids[2:4], x[:, :, ::2, 1::2])
    assert torch.equal(joined_grids(grids), x)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_scaled_norm_is_a_norm_and_a_product(momentum: float | None) -> None:
    """Also where the running statistics are a cumulative average, as in recalibration."""
    torch.manual_seed(0)
    x, weight = torch.randn(4, 3, 5, 5, dtype=torch.float64), torch.tensor([0.3]).double()
    norm = BatchNorm2d(3, affine=False, momentum=momentum).double()
    plain = nn.BatchNorm2d(3, affine=False, momentum=momentum).double()
    for _ in range(2):
        torch.testing.assert_close(scaled_norm(norm, x, weight), 0.3 * plain(x))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], value)


@pytest.mark.parametrize("images", [1, 2])
def test_the_gradients_of_a_scaled_norm_with_many_channels(images: int) -> None:
    """PyTorch reads the weights of a norm as an array, whatever their strides say."""
    torch.manual_seed(0)
    x = torch.randn(2, 256, 6, 6, dtype=torch.float64).to(memory_format=torch.channels_last)
    x.requires_grad_()
    weight = torch.rand(images, dtype=torch.float64, requires_grad=True)
    sent = torch.randn_like(x)
    norm = BatchNorm2d(256, affine=False).double()
    found = torch.autograd.grad(scaled_norm(norm, x, weight), (x, weight), sent)
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), False, keepdim=True)
    plain = weight.view(-1, 1, 1, 1) * (x - mean) / (variance + norm.eps).sqrt()
    for ours, wanted in zip(found, torch.autograd.grad(plain, (x, weight), sent), strict=True):
        torch.testing.assert_close(ours, wanted)
