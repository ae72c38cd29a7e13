import copy

import pytest
import torch
from torch import Tensor, nn

from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.nn import batch_norm, recurrent_cell
from squeezenas.nn.batch_norm import BatchNorm2d, joined_batch_norms
from squeezenas.nn.fold import folded
from squeezenas.nn.recurrent_cell import JoinedBatchNorm
from tests.nn.trace import randomised


def foreign() -> nn.Module:
    """Batch norms of PyTorch and of timm, whose layer also activates."""
    import_torchvision()
    from timm.layers import BatchNormAct2d

    torch.manual_seed(0)
    plain = nn.BatchNorm2d(4, eps=1e-3, momentum=0.03)
    acting = BatchNormAct2d(6, momentum=0.2, act_layer=nn.Hardswish)
    layers = (nn.Conv2d(3, 4, 1, bias=False), plain, nn.Conv2d(4, 6, 3, bias=False), acting)
    return randomised(nn.Sequential(*layers).double())


def images() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 3, 5, 6, dtype=torch.float64)


def test_tensors_settings_and_results_stay() -> None:
    network = foreign()
    before = dict(network.named_parameters()) | dict(network.named_buffers())
    twin = copy.deepcopy(network)
    assert joined_batch_norms(network) is network
    after = dict(network.named_parameters()) | dict(network.named_buffers())
    assert before.keys() == after.keys()
    assert all(after[name] is tensor for name, tensor in before.items())
    assert isinstance(network[1], BatchNorm2d)
    assert isinstance(network[3], BatchNorm2d)
    for mode in (True, False):
        assert torch.equal(network.train(mode)(images()), twin.train(mode)(images()))
    assert all(map(torch.equal, network.state_dict().values(), twin.state_dict().values()))
    assert joined_batch_norms(network) is network


def test_two_processes_with_the_same_images_are_one_with_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lone, network = foreign().train(), joined_batch_norms(foreign()).train()
    expected = lone(torch.cat((images(), images())))
    monkeypatch.setattr(batch_norm, "world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda tensor: tensor.mul_(2))
    torch.testing.assert_close(torch.cat([network(images())] * 2), expected)
    for name, tensor in lone.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor)


def trained(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Output and input gradient of the second of two passes."""
    for _ in range(2):
        x = x.detach().requires_grad_()
        y = layer(x)
        y.sigmoid().sum().backward()
    assert x.grad is not None
    return y, x.grad


@pytest.mark.parametrize(
    ("own", "plain", "shape"),
    [
        (BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, affine=False), (2, 4, 5, 6)),
        (JoinedBatchNorm(4), nn.BatchNorm1d(4, affine=False), (3, 4)),
    ],
)
def test_layers_that_learn_no_scale_are_joined_too(
    monkeypatch: pytest.MonkeyPatch, own: nn.Module, plain: nn.Module, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(2)
    own, plain = own.double(), plain.double()
    mine = torch.randn(shape, dtype=torch.float64) + 1
    expected = trained(plain, torch.cat((mine, mine)))
    for module in (batch_norm, recurrent_cell):
        monkeypatch.setattr(module, "world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda tensor: tensor.mul_(2))
    for found, wanted in zip(trained(own, mine), expected, strict=True):
        torch.testing.assert_close(torch.cat((found, found)), wanted)
    assert own.state_dict().keys() == plain.state_dict().keys()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(own.state_dict()[name], tensor)


@torch.no_grad()
def test_folding_keeps_the_activation() -> None:
    network = joined_batch_norms(foreign()).eval()
    twin = folded(network)
    torch.testing.assert_close(twin(images()), network(images()))
    assert isinstance(twin[1], nn.Identity)
    assert isinstance(folded(foreign())[3], nn.BatchNorm2d)


def test_a_batch_norm_that_does_something_unknown_is_refused() -> None:
    class Renorm(nn.BatchNorm2d):
        pass

    with pytest.raises(ValueError, match=r"^1: a Renorm cannot be joined"):
        joined_batch_norms(nn.Sequential(nn.Conv2d(3, 4, 1), Renorm(4)))
