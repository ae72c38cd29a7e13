import pytest
import torch
from torch import nn

import squeezenas
from squeezenas.core.recipes import load_model
from squeezenas.nn.backbone import Unit
from squeezenas.zoo.build import build
from squeezenas.zoo.timm_models import TimmBackbone
from tests.zoo.conftest import NAME

CHANNELS = {"small": [16, 16, 24, 256], "large": [16, 24, 32, 160], "xlarge": [24, 32, 48, 320]}


@pytest.fixture(scope="module")
def timm():
    names = squeezenas.register_timm()
    assert names == squeezenas.register_timm()
    assert len(names) == 6
    import timm

    return timm


def test_timm_lists_them(timm):
    assert NAME in timm.list_models("squeezenas_*")
    assert NAME in timm.list_models("squeezenas_*", pretrained=True)
    assert timm.get_pretrained_cfg(NAME).license == "mit"


@pytest.mark.parametrize("size", CHANNELS)
@torch.no_grad()
def test_features_are_those_before_each_halving(timm, size):
    name = f"squeezenas_lat_{size}"
    model = timm.create_model(name, features_only=True).eval()
    assert model.feature_info.reduction() == [2, 4, 8, 16]
    assert model.feature_info.channels() == CHANNELS[size]
    images = torch.randn(1, 3, 64, 96)
    maps = model(images)
    assert [tuple(m.shape) for m in maps] == [
        (1, channels, 64 >> level + 1, 96 >> level + 1)
        for level, channels in enumerate(CHANNELS[size])
    ]
    # Told apart by their sizes alone: the last output of each size, in a network of the card.
    network = build(load_model(name)).eval()
    backbone = {k: v for k, v in model.model.state_dict().items() if not k.startswith("classifier")}
    network.load_state_dict(backbone, strict=False)
    seen = {}
    for module in [network.stem, *network.units, network.last]:
        module.register_forward_hook(lambda _, __, y: seen.update({y.shape[-1]: y.clone()}))
    network(images)
    for found, expected in zip(maps, seen.values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@torch.no_grad()
def test_some_levels_need_a_part_of_the_network(timm):
    whole = timm.create_model(NAME, features_only=True).eval()
    part = timm.create_model(NAME, features_only=True, out_indices=(0, 2)).eval()
    assert part.feature_info.channels() == [16, 24]
    assert len([m for m in part.modules() if isinstance(m, Unit)]) == 8
    part.load_state_dict(whole.state_dict(), strict=False)
    images = torch.randn(1, 3, 64, 64)
    for found, expected in zip(part(images), whole(images)[::2], strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    first = timm.create_model(NAME, features_only=True, out_indices=(0,))
    assert [tuple(m.shape) for m in first(images)] == [(1, 16, 32, 32)]
    with pytest.raises(ValueError, match="there are 4 feature levels"):
        timm.create_model(NAME, features_only=True, out_indices=(0, 4))


def test_classifiers(timm):
    images = torch.randn(2, 3, 64, 64)
    pooled = timm.create_model(NAME).eval()
    assert pooled(images).shape == (2, 256)
    model = timm.create_model(NAME, num_classes=7, drop_rate=0.5).eval()
    assert model(images).shape == (2, 7)
    features = model.forward_features(images)
    assert features.shape == (2, model.num_features, 4, 4)
    assert model.forward_head(features, pre_logits=True).shape == (2, model.head_hidden_size)
    by_hand = model.get_classifier()(features.mean((2, 3)))
    torch.testing.assert_close(model(images), by_hand)
    assert not torch.equal(model.train()(images), model(images))
    model.reset_classifier(3, "catavgmax")
    assert model(images).shape == (2, 3)
    assert model.get_classifier().in_features == 512
    model.reset_classifier(0, "")
    assert model(images).shape == (2, 256, 4, 4)
    last, maps = model.forward_intermediates(images, indices=2)
    assert last is maps[-1]
    assert len(maps) == 2
    assert timm.create_model(NAME, num_classes=2, global_pool="max")(images).shape == (2, 2)
    with pytest.raises(ValueError, match="output stride of 16, not 8"):
        timm.create_model(NAME, features_only=True, output_stride=8)


@pytest.fixture
def pretrained(timm, zoo, monkeypatch):
    """Registered with the card of the test's own zoo, for the time of a test."""
    from timm.models import _registry

    from squeezenas.zoo import timm_models

    entry = timm_models._entry(zoo.card, zoo.home)
    monkeypatch.setitem(_registry._model_entrypoints, NAME, entry)
    return zoo.network.state_dict()


def test_pretrained_backbones(timm, pretrained):
    for arguments in ({}, {"num_classes": 5}, {"features_only": True, "out_indices": (0, 1, 2, 3)}):
        model = timm.create_model(NAME, pretrained=True, **arguments)
        inner = getattr(model, "model", model)
        assert isinstance(inner, TimmBackbone)
        for name, tensor in inner.state_dict().items():
            assert name.startswith("classifier.") or torch.equal(tensor, pretrained[name]), name
        assert "state_dict" not in model.pretrained_cfg
    part = timm.create_model(NAME, pretrained=True, features_only=True, out_indices=(1,))
    assert torch.equal(part.model.stem[0].weight, pretrained["stem.0.weight"])


def test_other_numbers_of_channels(timm, pretrained):
    model = timm.create_model(NAME, pretrained=True, in_chans=1)
    # timm's rule: a grey image is the same in all three.
    expected = pretrained["stem.0.weight"].sum(1, keepdim=True)
    torch.testing.assert_close(model.stem[0].weight, expected)
    assert timm.create_model(NAME, in_chans=6)(torch.randn(2, 6, 32, 32)).shape == (2, 256)


def test_weights_of_ones_own(timm, pretrained, tmp_path):
    source = timm.create_model(NAME, num_classes=3)
    torch.save(source.state_dict(), tmp_path / "mine.pth")
    overlay = {"file": str(tmp_path / "mine.pth"), "num_classes": 3}
    model = timm.create_model(NAME, pretrained=True, num_classes=3, pretrained_cfg_overlay=overlay)
    assert all(map(torch.equal, model.state_dict().values(), source.state_dict().values()))
    torch.save({"stem.0.weight": torch.zeros(16, 3, 3, 3)}, tmp_path / "mine.pth")
    with pytest.raises(ValueError, match="of another network; tensors missing"):
        timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay=overlay)


def test_segmentation_models_pytorch(timm):
    smp = pytest.importorskip("segmentation_models_pytorch")
    model = smp.Unet(
        f"tu-{NAME}", encoder_weights=None, encoder_depth=4, decoder_channels=(64, 32, 16, 16),
        classes=5,
    ).eval()  # fmt: skip
    assert isinstance(model, nn.Module)
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 5, 64, 64)
