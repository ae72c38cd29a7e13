import pytest

from squeezenas.core.model_card import Costs, ModelCard, Weights, read_model_card, write_model_card
from squeezenas.core.recipes import load_model

CARD = ModelCard(
    name="tiny",
    space="squeezenas_small",
    head="lr_aspp",
    classes=("road", "on"),  # plain YAML would read `on` as true
    dataset="street_scenes",
    architecture=("k3_e1_g1", "skip"),
    costs=Costs(resolution=(128, 256), gmacs=0.05),
    published={"class_iou": 66.77},
    weights=Weights(url="https://example.org/w", sha256="0" * 64),
    search={"seed": 0, "target": 0.05, "candidates": [1, 2]},
    training={"stages": [{"name": "camvid", "miou": 0.5, "resumed": None}]},
)
NAMED = ModelCard(
    name="known",
    network="timm_deeplabv3",
    backbone="resnet18",
    classes=("road", "on"),
    dataset="camvid",
    weights=Weights(file="weights/known.safetensors", sha256="0" * 64),
)


@pytest.mark.parametrize("card", [CARD, NAMED])
def test_round_trip(tmp_path, card):
    path = tmp_path / "architecture.yaml"
    write_model_card(path, card)
    assert read_model_card(path) == card
    assert load_model(str(path)) == card
    assert "latency_ms" not in path.read_text()
    assert ("architecture" in path.read_text()) == (card is CARD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a", "a"]}, r"models\.classes: .*given twice: a"),
        ({"head": "aspp"}, r"models\.head: expected lr_aspp \| deeplabv3plus"),
        ({"architecture": []}, r"backbone: architecture is missing \("),
        ({"head": None}, r"either space, head .* backbone: head is missing \("),
        ({"space": None, "head": None}, r"space is missing, head is missing \("),
        ({"backbone": "resnet18"}, r"backbone does not belong here \("),
        (
            {"network": "timm_deeplabv3", "space": None},
            r"backbone is missing, head does not belong here, architecture does not belong here",
        ),
        ({"weights": {"file": "x"}}, r"models\.weights: x needs its sha256"),
        ({"weights": {"file": "../x"}}, r"models\.weights\.file: \.\./x is not in the folder"),
        ({"weights": {"file": "/x"}}, r"models\.weights\.file: /x is not in the folder"),
        ({"weights": {"sha256": "xyz"}}, r"models\.weights\.sha256: 'xyz' does not match"),
        ({"architectur": ["skip"]}, r"models\.architectur: unknown key .*'models\.architecture'"),
    ],
)
def test_bad_cards(tmp_path, change, message):
    from squeezenas.core.files import to_yaml

    path = tmp_path / "card.yaml"
    path.write_text(to_yaml(CARD.model_dump(mode="json", exclude_none=True) | change))
    with pytest.raises(ValueError, match=message + r"[\s\S]*card\.yaml"):
        read_model_card(path)
