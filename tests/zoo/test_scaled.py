import pytest
import torch

from squeezenas.core.model_card import read_model_card, write_model_card
from squeezenas.core.recipes import load_model, load_retraining
from squeezenas.core.space import make_space
from squeezenas.costs.compound_scaling import Factors
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.spaces.unit_chain import UnitChain
from squeezenas.zoo.build import build
from squeezenas.zoo.scaled import scaled_card

SIZE = (1024, 2048)
NETWORKS = ["squeezenas_mac_small", "squeezenas_lat_large"]


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


def shapes(card):
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in build(card).state_dict().items()}


@pytest.mark.parametrize("name", [*NETWORKS, "squeezenas_mac_xlarge"])
def test_phi_0_is_the_network_itself(name):
    card = load_model(name)
    same = scaled_card(card, Factors().after(0), SIZE, "same")
    assert same.architecture == card.architecture
    assert same.scale == card.scale
    assert shapes(same) == shapes(card)
    assert same.costs == card.costs


@pytest.mark.parametrize("name", NETWORKS)
def test_costs_about_double_with_every_phi(name):
    """Rounding takes or gives up to a third; stem, strides and head do not get deeper."""
    card = load_model(name)
    macs = [scaled_card(card, Factors().after(phi), SIZE, "scaled").costs.gmacs for phi in range(4)]
    assert macs == sorted(macs)
    for phi, cost in enumerate(macs):
        assert 0.75 * 1.92**phi < cost / macs[0] < 1.2 * 1.92**phi + 0.1


def test_each_side_alone():
    card = load_model("squeezenas_mac_small")
    deep = scaled_card(card, Factors(1.2, 1, 1), SIZE, "deep")
    assert deep.scale == {"depth": 1.2}
    assert len(deep.architecture) == 25
    wide = scaled_card(card, Factors(1, 1.1, 1), SIZE, "wide")
    assert wide.scale == {"width": 1.1}
    assert wide.architecture == card.architecture
    larger = scaled_card(card, Factors(1, 1, 1.15), SIZE, "larger")
    assert larger.scale == {}
    assert larger.costs.resolution == (1184, 2368)  # 1177.6 and 2355.2 pixels
    area = 1184 * 2368 / (1024 * 2048)
    assert larger.costs.gmacs / card.costs.gmacs == pytest.approx(area, rel=1e-3)
    assert larger.costs.parameters_millions == card.costs.parameters_millions


def test_a_card_for_training(tmp_path):
    card = load_model("squeezenas_lat_small")
    member = scaled_card(card, Factors().after(2), SIZE, "lat_small_phi2")
    write_model_card(tmp_path / "member.yaml", member)
    read = read_model_card(tmp_path / "member.yaml")
    assert read == member
    assert read.weights is None
    assert read.published == {}
    assert read.search == {
        "scaled_from": "squeezenas_lat_small",
        "depth": 1.44, "width": 1.21, "resolution": 1.3225,
    }  # fmt: skip
    with torch.device("meta"):
        network = build(read)
    assert read.costs.gmacs == gmacs(network, read.costs.resolution)
    assert read.costs.parameters_millions == parameters(network)
    config = load_retraining([f"models={tmp_path}/member.yaml"])
    assert config.models == member


def test_what_is_scaled_already_is_scaled_on():
    card = load_model("squeezenas_mac_small")
    once = scaled_card(card, Factors(1.2, 1.1, 1), SIZE, "once")
    twice = scaled_card(once, Factors(1.5, 1.2, 1), SIZE, "twice")
    assert twice.scale == {"depth": 1.8, "width": 1.32}
    space = make_space(twice.space, twice.scale)
    assert isinstance(space, UnitChain)
    assert [count for _, count, _ in space.macro.blocks] == [8] * 5
    same = scaled_card(once, Factors(1, 1, 1), SIZE, "same")
    assert shapes(same) == shapes(once)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("baseline_lraspp_mobilenetv3_large", "is of another library"),
        ("darts_v2_cifar10", "is of space darts_cell, whose networks are no chains of units"),
    ],
)
def test_other_networks_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        scaled_card(load_model(name), Factors(), SIZE, "scaled")
