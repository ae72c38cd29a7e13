from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from squeezenas.nn.batch_norm import (
    BatchNorm2d,
    batch_norm,
    conv_bn_relu,
    update_running_statistics,
)
from squeezenas.nn.mixed import MixedUnit
from squeezenas.spaces.squeezenas import OPTIONS
from tests.nn.trace import Trace, Weights, assert_same, mixture, randomised, trace, unit


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_as_values_are_those_of_the_layer(momentum: float | None) -> None:
    torch.manual_seed(0)
    layer = randomised(nn.BatchNorm2d(5, momentum=momentum).double())
    ours = BatchNorm2d(5, momentum=momentum).double()
    ours.load_state_dict(layer.state_dict())
    for _ in range(2):
        x = torch.randn(3, 5, 4, 6, dtype=torch.float64) * 3 + 2
        y, mean, variance = batch_norm(x, ours.weight, ours.bias, ours.eps)
        update_running_statistics(ours, mean, variance, 3 * 4 * 6)
        torch.testing.assert_close(y, layer(x))
    assert_same(dict(ours.named_buffers()), dict(layer.named_buffers()))


def test_a_constant_channel_has_no_negative_variance() -> None:
    x = torch.full((2, 3, 4, 4), 1e4)
    _, _, variance = batch_norm(x, torch.ones(3), torch.zeros(3), 1e-5)
    assert (variance >= 0).all()


def test_conv_bn_relu_keeps_the_size() -> None:
    for kernel, dilation in ((1, 1), (3, 1), (3, 6), (5, 2)):
        layer = conv_bn_relu(4, 8, kernel, dilation=dilation, groups=2)
        assert layer(torch.randn(2, 4, 7, 9)).shape == (2, 8, 7, 9)


BATCH, CHANNELS = 4, 6


def mixed(memory: str, joined: bool, stride: int) -> nn.Module:
    """The same unit in every process; `skip` at stride 2 brings a `BatchNorm2d` of its own."""
    torch.manual_seed(1)
    module = MixedUnit(OPTIONS, CHANNELS, CHANNELS, stride, memory)
    module.joined = joined
    return randomised(module.double())


def cases() -> list[nn.Module]:
    return [
        mixed("full", joined=False, stride=2),
        mixed("full", joined=True, stride=1),
        mixed("lean", joined=False, stride=1),
        mixed("lean", joined=True, stride=2),
    ]


def batch() -> tuple[torch.Tensor, Weights]:
    torch.manual_seed(2)
    x = torch.randn(BATCH, CHANNELS, 8, 6, dtype=torch.float64)
    # Shares of the batch with other statistics: no mean over processes of local ones would do.
    x[BATCH // 2 :] = 3 * x[BATCH // 2 :] + 2
    return x, {"unit": mixture(len(OPTIONS), BATCH)}


def one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    x, weights = batch()
    share = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    own = {"unit": weights["unit"][:, share]}
    torch.save([trace(module, unit, x[share], own) for module in cases()], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_are_one_with_the_joined_batch(tmp_path: Path) -> None:
    mp.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    shares = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for module, *pair in zip(cases(), *shares, strict=True):
        assert_same(joined_trace(*pair), trace(module, unit, *batch()))


def joined_trace(a: Trace, b: Trace) -> Trace:
    """What two processes found, as one would have: images side by side, weight gradients summed."""
    joined = {}
    for name in a:
        if name in ("output", "input gradient"):
            joined[name] = torch.cat((a[name], b[name]))
        elif name.startswith("path"):
            joined[name] = torch.cat((a[name], b[name]), dim=1)
        elif name.startswith("gradient"):
            joined[name] = a[name] + b[name]
        else:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)
            joined[name] = a[name]
    return joined
