import pytest
import torch
from torch import nn

from squeezenas.training.transfer import StartingWeights, Transfer, transfer

CLASSES = ("road", "sky", "car")


def network(classes=3, width=4, head=1):
    """Five tensors of a backbone, and two of a head whose first kernel is `head` wide."""
    backbone = nn.Sequential(nn.Conv2d(3, width, 3, bias=False), nn.BatchNorm2d(width))
    made = nn.Module()
    made.stem, made.head = backbone, nn.Conv2d(width, classes, head)
    return made


def weights(source, classes):
    return StartingWeights(source.state_dict(), tuple(classes), "there.safetensors")


def same(left, right, name):
    return torch.equal(left.state_dict()[name], right.state_dict()[name])


def test_the_same_classes_keep_the_head():
    old, new = network(), network()
    report = transfer(new, weights(old, CLASSES), CLASSES)
    assert all(same(old, new, name) for name in old.state_dict())
    source, loaded = weights(old, CLASSES), tuple(new.state_dict())
    assert report == Transfer("there.safetensors", source.fingerprint(), loaded, (), (), "")
    assert str(report) == "weights of there.safetensors: 8 tensors loaded (stem 6, head 2)"


@pytest.mark.parametrize(
    ("old", "classes", "here", "reason"),
    [
        (network(5), "abcde", CLASSES, "(5 classes there, 3 here)"),
        (network(2), "ab", CLASSES, "(2 classes there, 3 here)"),
        (network(3), "abc", CLASSES, "(as many classes, but other ones)"),
        (network(3), ("sky", "road", "car"), CLASSES, "(as many classes, but other ones)"),
        (network(3, head=3), CLASSES, CLASSES, "(one of another kind)"),
    ],
)
def test_other_classes_or_another_head_start_anew(old, classes, here, reason):
    new = network()
    fresh = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    report = transfer(new, weights(old, classes), here)
    for name in new.state_dict():
        if name.startswith("head."):
            assert torch.equal(new.state_dict()[name], fresh[name])
        else:
            assert same(old, new, name)
    assert report.new == report.unused == ("head.weight", "head.bias")
    assert len(report.loaded) == 6
    assert str(report) == (
        "weights of there.safetensors: 6 tensors loaded (stem 6)\n"
        f"the head is replaced {reason}: 2 tensors start anew (head 2), "
        "2 of the old head are left out"
    )


def test_the_source_is_not_aliased():
    old, new = network(), network()
    transfer(new, weights(old, CLASSES), CLASSES)
    with torch.no_grad():
        new.head.weight.add_(1)
    assert not same(old, new, "head.weight")


@pytest.mark.parametrize(
    ("old", "told"),
    [
        (network(width=6), "5 tensors of the backbone differ, the first is stem.0.weight "
         "(4x3x3x3 here, 6x3x3x3 there)"),
        (nn.ModuleDict({"stem": nn.Conv2d(3, 4, 3, bias=False)}),
         "7 tensors of the backbone differ, the first is stem.0.weight (4x3x3x3 here, missing"),
    ],
)  # fmt: skip
def test_another_architecture_is_an_error_and_nothing_is_loaded(old, told):
    new = network()
    fresh = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    with pytest.raises(ValueError, match="weights of another architecture") as caught:
        transfer(new, weights(old, CLASSES), CLASSES)
    assert told in str(caught.value)
    assert "retrain the network those weights belong to" in str(caught.value)
    assert all(torch.equal(new.state_dict()[name], fresh[name]) for name in fresh)


def test_tensors_that_only_the_source_has_are_a_difference():
    old = network()
    old.extra = nn.Linear(1, 1, bias=False)
    with pytest.raises(ValueError, match=r"1 tensors .* extra.weight \(missing here, 1x1 there\)"):
        transfer(network(), weights(old, CLASSES), CLASSES)
