import pytest
import torch
from torch import Tensor, nn

from squeezenas.core.space import spaces

OPTION = ["k3_e1_g1", "skip", "k5_e3_g1", "k3_e6_g1_d2"]


def network(name: str, head: str, classes: int = 5) -> nn.Module:
    space = spaces[name]()
    options = [OPTION[index % len(OPTION)] for index in range(len(space.choices))]
    return space.network(space.read(options), classes, head)


def backbone(network: nn.Module) -> dict[str, torch.Size]:
    state = network.state_dict()
    return {name: value.shape for name, value in state.items() if not name.startswith("head.")}


@pytest.mark.parametrize("name", ["squeezenas_small", "squeezenas_large", "squeezenas_xlarge"])
def test_the_backbone_does_not_depend_on_head_and_classes(name: str) -> None:
    with torch.device("meta"):
        classifier = network(name, "classifier", 1000)
        others = [network(name, "lr_aspp", 19), network(name, "deeplabv3plus", 3)]
    names = backbone(classifier)
    assert {entry.partition(".")[0] for entry in names} - {"last"} == {"stem", "units"}
    assert ("last.0.weight" in names) == (name == "squeezenas_small")
    assert all(backbone(other) == names for other in others)


@torch.no_grad()
def test_a_segmentation_backbone_classifies() -> None:
    torch.manual_seed(0)
    segmenting = network("squeezenas_small", "lr_aspp").eval()
    classifying = network("squeezenas_small", "classifier", 7).eval()
    state = {k: v for k, v in segmenting.state_dict().items() if not k.startswith("head.")}
    left = classifying.load_state_dict(state, strict=False)
    assert left.unexpected_keys == []
    assert set(left.missing_keys) == {"head.linear.weight", "head.linear.bias"}
    images = torch.randn(2, 3, 224, 224)
    deep, low = segmenting.features(images)
    assert (deep.shape, low.shape) == ((2, 256, 14, 14), (2, 24, 28, 28))
    pooled = deep.mean((2, 3))
    expected = pooled @ classifying.head.linear.weight.T + classifying.head.linear.bias
    torch.testing.assert_close(classifying(images), expected)


@torch.no_grad()
@pytest.mark.parametrize(("head", "unit"), [("lr_aspp", 8), ("deeplabv3plus", 4)])
def test_low_features_are_those_of_the_published_unit(head: str, unit: int) -> None:
    module = network("squeezenas_large", head).eval()
    outputs: list[Tensor] = []
    module.units[unit].register_forward_hook(lambda _m, _i, output: outputs.append(output))
    _, low = module.features(torch.randn(1, 3, 64, 32))
    assert low is outputs[0]
