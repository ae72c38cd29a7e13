import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.space import spaces
from squeezenas.nn.heads import LRASPP, Classifier, DeepLabV3Plus
from tests.nn.trace import randomised


def bilinear(x: Tensor, scale: int, align_corners: bool) -> Tensor:
    return nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=align_corners)(x)


@torch.no_grad()
def test_lr_aspp_on_a_cityscapes_frame_is_the_published_one() -> None:
    torch.manual_seed(0)
    head = randomised(LRASPP(8, 6, 16, 19).double()).eval()
    features = torch.randn(1, 8, 64, 128, dtype=torch.float64)
    low = torch.randn(1, 6, 128, 256, dtype=torch.float64)
    pooled = nn.AvgPool2d(49, stride=(16, 20))(features)  # not clamped: 1 x 4
    gate = nn.Upsample((64, 128), mode="bilinear")(torch.sigmoid(head.gate(pooled)))
    gated = bilinear(head.project(features) * gate, 2, align_corners=False)
    torch.testing.assert_close(head(features, low), head.classify(gated) + head.classify_low(low))


@torch.no_grad()
def test_lr_aspp_on_a_small_map_gates_by_the_mean_of_the_map() -> None:
    torch.manual_seed(0)
    head = randomised(LRASPP(8, 6, 16, 3).double()).eval()
    for size in ((48, 48), (2, 2), (6, 4)):  # 768x768, 32x32, 96x64
        features = torch.randn(2, 8, *size, dtype=torch.float64)
        low = torch.randn(2, 6, 2 * size[0], 2 * size[1], dtype=torch.float64)
        gate = torch.sigmoid(head.gate(features.mean((2, 3), keepdim=True)))
        gated = bilinear(head.project(features) * gate, 2, align_corners=False)
        expected = head.classify(gated) + head.classify_low(low)
        torch.testing.assert_close(head(features, low), expected)


@torch.no_grad()
def test_deeplab_is_the_published_one() -> None:
    torch.manual_seed(0)
    middle, c_in, c_low, classes = 5, 10, 4, 7
    head = randomised(DeepLabV3Plus(c_in, c_low, middle, classes).double()).eval()
    features = torch.randn(2, c_in, 6, 4, dtype=torch.float64)
    low = torch.randn(2, c_low, 24, 16, dtype=torch.float64)
    pyramid = [head.project(features)]
    for level, dilation in zip(head.pyramid, (6, 12, 18), strict=True):
        conv = F.conv2d(
            features, level[0].weight, padding=dilation, dilation=dilation, groups=middle
        )
        pyramid.append(torch.relu(level[1](conv)))
    pooled = nn.AdaptiveAvgPool2d(1)(features).repeat(1, 1, 6, 4)
    merged = head.merge(torch.cat([*pyramid, pooled], dim=1))
    decoded = torch.cat((bilinear(merged, 4, align_corners=True), head.low(low)), dim=1)
    conv = F.conv2d(decoded, head.decode[0].weight, padding=1, groups=middle + c_low)
    expected = head.classify(torch.relu(head.decode[1](conv)))
    torch.testing.assert_close(head(features, low), expected)


def test_a_classifier_reads_the_mean_of_the_map_and_drops_a_fifth_of_it() -> None:
    torch.manual_seed(0)
    head = Classifier(1000, 3).double()
    features = torch.randn(2, 1000, 5, 7, dtype=torch.float64)
    mean = features.flatten(2).mean(2)
    weight, bias = head.linear.weight, head.linear.bias
    torch.testing.assert_close(head.eval()(features), mean @ weight.T + bias)
    nn.init.ones_(weight)
    nn.init.zeros_(bias)
    kept = head.train()(torch.ones_like(features)) * 0.8 / 1000
    assert ((kept - 0.8).abs() < 0.06).all()  # binomial, standard deviation 0.013
    assert not torch.equal(kept[0], kept[1])


@pytest.mark.parametrize("head", ["lr_aspp", "deeplabv3plus"])
@pytest.mark.parametrize("name", ["squeezenas_small", "squeezenas_large", "squeezenas_xlarge"])
def test_every_crop_and_class_count_works(name: str, head: str) -> None:
    space = spaces[name]()
    skips = space.read(["skip"] * len(space.choices))
    crops = [(32, 32), (160, 32), (96, 128), (768, 768), (1024, 512), (512, 1024)]
    for classes, crop in zip((1, 2, 11, 19, 20, 150), crops, strict=True):
        with torch.device("meta"):  # shapes only
            network = space.network(skips, classes, head).train()
            logits = network(torch.empty(2, 3, *crop))
        assert logits.shape == (2, classes, *crop)


def test_the_crop_of_the_paper_runs() -> None:
    space = spaces["squeezenas_small"]()
    network = space.network(space.read(["skip"] * len(space.choices)), 19, "lr_aspp").train()
    network(torch.randn(1, 3, 768, 768)).mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
