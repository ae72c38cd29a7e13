import math
from random import Random

import pytest
import torch
from torch import nn

from squeezenas.core.model_card import ModelCard
from squeezenas.core.recipes import cards, load_dataset, load_model
from squeezenas.core.space import make_space, spaces
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.nn.batch_norm import BatchNorm2d
from squeezenas.zoo.build import GROWN, MOST, build, networks
from tests.spaces.published import NETWORKS

TASKS = {name: load_model(name).task for name in cards("models")}
NAMES = [name for name, task in TASKS.items() if task == "segmentation"]
CLASSIFYING = [name for name, task in TASKS.items() if task == "classification"]
SPEAKING = [name for name, task in TASKS.items() if task == "language"]


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


def backbone(network: nn.Module) -> dict[str, torch.Size]:
    state = network.state_dict()
    return {name: value.shape for name, value in state.items() if not name.startswith("head.")}


@pytest.mark.parametrize("name", NAMES)
def test_both_variants_train_and_share_their_backbone(name: str) -> None:
    card = load_model(name)
    segmenting = build(card)
    classifying = build(card.model_copy(update={"task": "classification"}), 7)
    images = torch.randn(2, 3, 64, 64)
    for network, shape in ((segmenting, (2, 19, 64, 64)), (classifying, (2, 7))):
        logits = network.train()(images)
        assert logits.shape == shape
        logits.square().mean().backward()
        # A parameter that is never used would stop distributed training.
        assert all(parameter.grad is not None for parameter in network.parameters())
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms
        assert all(isinstance(norm, BatchNorm2d) for norm in norms)
    assert backbone(segmenting)
    assert backbone(segmenting) == backbone(classifying)
    assert set(classifying.state_dict()) - set(backbone(classifying)) == {
        "head.linear.weight",
        "head.linear.bias",
    }


@pytest.mark.parametrize("name", NAMES)
def test_costs_on_the_card_are_counted_ones(name: str) -> None:
    card = load_model(name)
    with torch.device("meta"):
        network = build(card)
    assert card.costs.resolution == (1024, 2048)
    assert gmacs(network, card.costs.resolution) == pytest.approx(card.costs.gmacs, rel=0, abs=1e-9)
    assert parameters(network) == pytest.approx(card.costs.parameters_millions, rel=0, abs=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_published_networks_are_the_published_ones(name: str) -> None:
    card, published = load_model(f"squeezenas_{name}"), NETWORKS[name]
    assert (card.space, card.head) == (published.space, published.head)
    assert " ".join(card.architecture) == published.genotype
    assert card.costs.gmacs == published.gmacs
    assert card.costs.parameters_millions * 1e6 == pytest.approx(published.parameters, abs=1e-6)
    assert card.weights.url.endswith(f"/weights/{name}.pth")


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_those_of_the_dataset(name: str) -> None:
    card = load_model(name)
    assert card.classes == load_dataset([f"datasets={card.dataset}"]).classes


@torch.no_grad()
def test_lraspp_is_torchvisions() -> None:
    import_torchvision()
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    theirs = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21).eval()
    ours = build(load_model("baseline_lraspp_mobilenetv3_large"), 21).eval()
    assert sum(parameter.numel() for parameter in ours.parameters()) == 3_221_538
    state = theirs.state_dict()
    ours.load_state_dict({k.replace("classifier.", "head.", 1): v for k, v in state.items()})
    images = torch.randn(1, 3, 96, 64)
    torch.testing.assert_close(ours(images), theirs(images)["out"], rtol=0, atol=0)


@torch.no_grad()
def test_deeplab_is_timms_backbone_under_torchvisions_head() -> None:
    import_torchvision()
    import timm
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3

    card = load_model("baseline_deeplabv3_mobilenetv3_large")
    ours = build(card, 5).eval()
    theirs = timm.create_model("mobilenetv3_large_100", features_only=True, output_stride=16).eval()
    theirs.load_state_dict(ours.backbone.state_dict())
    images = torch.randn(1, 3, 64, 96)
    features = theirs(images)[-1]
    assert features.shape == (1, 960, 4, 6)

    head = DeepLabHead(960, 5, (6, 12, 18)).eval()
    head.load_state_dict(ours.head.state_dict())
    whole = DeepLabV3(nn.Identity(), head)
    whole.backbone.forward = lambda _: {"out": features}
    torch.testing.assert_close(ours(images), whole(images)["out"], rtol=0, atol=1e-6)


def named(network: str, backbone: str) -> ModelCard:
    return ModelCard(
        name="mine", network=network, backbone=backbone, classes=("a", "b"), dataset="camvid"
    )


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (
            named("timm_deeplab", "resnet18"),
            r"unknown network 'timm_deeplab' \(did you mean 'timm_",
        ),
        (named("timm_deeplabv3", "resnet19"), r"timm has no backbone 'resnet19' \(did you mean"),
        (named("timm_deeplabv3", "hf-hub:timm/resnet18"), r"timm has no backbone 'hf-hub:"),
        (named("timm_deeplabv3", "vgg11"), r"timm's vgg11 gives no feature map at 1/16"),
        (named("torchvision_lraspp", "resnet18"), r"LR-ASPP on 'resnet18'; its backbone is mobile"),
    ],
)
def test_named_networks_that_do_not_exist(card: ModelCard, message: str) -> None:
    with pytest.raises(ValueError, match=f"^model card mine: .*{message}"):
        build(card)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "squeezenas_smal"}, r"unknown space .*did you mean 'squeezenas_small'"),
        ({"space": "squeezenas_large"}, r"squeezenas_large has 22 choices, got 20 options"),
        ({"architecture": ("k4_e1_g1",) + ("skip",) * 19}, r"unit00: unknown option 'k4_e1_g1'"),
    ],
)
def test_architectures_of_another_space(change: dict[str, object], message: str) -> None:
    card = load_model("squeezenas_mac_small").model_copy(update=change)
    with pytest.raises(ValueError, match=f"^model card squeezenas_mac_small: .*{message}"):
        build(card)


def test_every_network_has_a_card() -> None:
    assert set(networks.names()) == {load_model(name).network for name in TASKS} - {None}


@pytest.mark.parametrize("name", CLASSIFYING)
def test_costs_of_classifiers_are_counted_ones(name: str) -> None:
    card = load_model(name)
    with torch.device("meta"):
        network = build(card)
    size = card.costs.resolution
    assert network.eval()(torch.empty(2, 3, *size, device="meta")).shape == (2, len(card.classes))
    assert gmacs(network, size) == pytest.approx(card.costs.gmacs, rel=0, abs=1e-9)
    assert parameters(network) == pytest.approx(card.costs.parameters_millions, rel=0, abs=1e-9)


@pytest.mark.parametrize("name", SPEAKING)
def test_language_networks_are_built(name: str) -> None:
    card = load_model(name)
    with torch.device("meta"):
        network = build(card)
        output = network.eval()(torch.zeros(3, 2, dtype=torch.int64))
    assert output.logits.shape == (3, 2, card.words)
    assert parameters(network) == pytest.approx(card.costs.parameters_millions, rel=0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("baseline_lstm_ptb", {"backbone": "lstm99_99999"}),
        ("baseline_lstm_ptb", {"backbone": "lstm2_30000"}),
        ("baseline_lstm_ptb", {"words": None, "classes": ("a", "b"), "backbone": "lstm2_30000"}),
        ("darts_rnn_ptb", {"words": 10_000_000}),
        ("darts_rnn_ptb", {"scale": {"hidden": 100_000}}),
        ("darts_v1_cifar10", {"scale": {"cells": 3, "channels": 100_000}}),
        ("squeezenas_mac_small", {"scale": {"width": 100.0, "depth": 1.0}}),
    ],
)
def test_networks_without_end_are_not_built(name: str, change: dict[str, object]) -> None:
    card = load_model(name).model_copy(update=change)
    with pytest.raises(ValueError, match=f"^model card {name}: it would have .* parameters, more"):
        build(card)


@pytest.mark.parametrize("name", ["squeezenas_mac_small", "baseline_lraspp_mobilenetv3_large"])
def test_counting_changes_no_weight(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    card, states = load_model(name), []
    for bound in (math.inf, 0):
        for constant in ("GROWN", "NAMED"):
            monkeypatch.setattr(f"squeezenas.zoo.build.{constant}", bound)
        torch.manual_seed(0)
        states.append({**build(card).state_dict(), "afterwards": torch.rand(3)})
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("name", sorted(set(spaces.names()) - {"tabular"}))
def test_spaces_are_small_by_their_own_sizes(name: str) -> None:
    """Else one could be too large without being counted."""
    space = make_space(name)
    with torch.device("meta"):
        network = space.network(space.sample(Random(0)), 10_000, space.heads[0])
    assert sum(parameter.numel() for parameter in network.parameters()) < MOST / GROWN**2
