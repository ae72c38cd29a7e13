import pytest
import torch
import torch.nn.functional as F
from torch import nn

from squeezenas.nn.drop_path import DropPath
from squeezenas.nn.operations import DARTS, ENAS, NASNET, NONE, FactorizedReduce, operation

EVERY = sorted({*DARTS, *ENAS, *NASNET} - {NONE})


def parameters(name: str, c: int, stride: int) -> int:
    """Counted by hand; every convolution without bias, two numbers a channel in a batch norm."""
    if name == "skip_connect":
        return 0 if stride == 1 else c * c + 2 * c
    if "pool" in name:
        return 0
    kind, _, kernel = name.partition("_conv_") if "_conv_" in name else ("conv", "", name[5:])
    k = int(kernel[0])
    if kind == "sep":
        return 2 * (k * k * c + c * c + 2 * c)
    if kind == "dil":
        return k * k * c + c * c + 2 * c
    if "_" in kernel:
        return 2 * k * c * c if k == 1 else 2 * max(int(kernel[0]), int(kernel[2])) * c * c + 2 * c
    return k * k * c * c + 2 * c


def test_there_are_as_many_as_the_papers_say() -> None:
    assert (len(DARTS), len(ENAS), len(NASNET)) == (8, 5, 13)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", EVERY)
def test_shape_and_parameters(name: str, stride: int) -> None:
    x = torch.randn(2, 6, 8, 12)
    trained, searched = (operation(name, 6, stride, s) for s in (False, True))
    for module in (trained, searched):
        assert module(x).shape == (2, 6, 8 // stride, 12 // stride)
    assert sum(p.numel() for p in trained.parameters()) == parameters(name, 6, stride)
    norms = [m for m in trained.modules() if isinstance(m, nn.BatchNorm2d)]
    without = sum(p.numel() for p in searched.parameters())
    assert without == parameters(name, 6, stride) - 12 * len(norms)
    normalises = any(isinstance(m, nn.BatchNorm2d) for m in searched.modules())
    assert normalises == (name != "skip_connect" or stride == 2)


def test_average_pooling_does_not_count_what_is_outside() -> None:
    ones = torch.ones(1, 2, 4, 4)
    assert torch.equal(operation("avg_pool_3x3", 2, 1)(ones), ones)


def test_a_dilated_separable_convolution() -> None:
    torch.manual_seed(0)
    module, x = operation("dil_conv_5x5", 4, 2).train(), torch.randn(3, 4, 8, 8)
    _, depthwise, mix, _ = module
    y = F.conv2d(x.relu(), depthwise.weight, None, 2, 4, 2, groups=4)
    y = F.conv2d(y, mix.weight)
    torch.testing.assert_close(module(x), F.batch_norm(y, None, None, training=True))


def test_a_factorised_reduction_reads_two_grids() -> None:
    module = FactorizedReduce(1, 2).eval()
    nn.init.ones_(module.even.weight)
    nn.init.ones_(module.odd.weight)
    x = torch.arange(16.0).view(1, 1, 4, 4)
    y = module(x)[0] * (1 + module.norm.eps) ** 0.5
    torch.testing.assert_close(y[0], x[0, 0, ::2, ::2])
    torch.testing.assert_close(y[1], x[0, 0, 1::2, 1::2])
    with pytest.raises(ValueError, match="7x8 cannot be halved"):
        module(torch.zeros(1, 1, 7, 8))


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(ValueError, match=r"'sep_conv_3x4'.*did you mean 'sep_conv_3x3'"):
        operation("sep_conv_3x4", 4, 1)


def test_drop_path_leaves_out_whole_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    drop, x = DropPath(), torch.ones(20_000, 2, 1, 1)
    assert drop(x) is x
    drop.probability = 0.3
    y = drop(x)[:, :, 0, 0]
    assert torch.equal(y[:, 0], y[:, 1])
    assert sorted(y.unique().tolist()) == pytest.approx([0, 1 / 0.7])
    assert float((y[:, 0] == 0).float().mean()) == pytest.approx(0.3, abs=0.015)  # 4.6 sigma
    assert drop.eval()(x) is x
