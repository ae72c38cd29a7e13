from importlib.util import find_spec, module_from_spec, spec_from_file_location

import pytest
import torch

import squeezenas
from squeezenas.core.model_card import write_model_card
from squeezenas.zoo.weights import save_weights
from tests.zoo.conftest import NAME


def test_one_line_gives_the_pretrained_network(zoo):
    network = squeezenas.create_model(NAME, pretrained=True)
    assert not network.training
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(network(images), zoo.network(images), rtol=0, atol=0)


def test_another_number_of_classes_keeps_the_backbone(zoo):
    network = squeezenas.create_model(NAME, pretrained=True, num_classes=5)
    assert network(torch.randn(1, 3, 64, 64)).shape == (1, 5, 64, 64)
    theirs = zoo.network.state_dict()
    for name, tensor in network.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(tensor, theirs[name]), name
    assert not torch.equal(network.state_dict()["head.gate.weight"], theirs["head.gate.weight"])


def test_without_weights_nothing_is_fetched(zoo):
    zoo.source.unlink()
    assert squeezenas.create_model(NAME, num_classes=3)(torch.zeros(1, 3, 32, 32)).shape[1] == 3
    assert not zoo.home.exists()


def test_a_card_of_ones_own(zoo, tmp_path):
    digest = save_weights(tmp_path / "w.safetensors", zoo.network, zoo.card)
    weights = zoo.card.weights.model_copy(
        update={"file": "w.safetensors", "sha256": digest, "url": None}
    )
    write_model_card(tmp_path / "mine.yaml", zoo.card.model_copy(update={"weights": weights}))
    network = squeezenas.create_model(str(tmp_path / "mine.yaml"), pretrained=True)
    assert torch.equal(network.stem[0].weight, zoo.network.stem[0].weight)


def test_mistakes(zoo):
    with pytest.raises(ValueError, match="did you mean 'squeezenas_lat_small'"):
        squeezenas.create_model("squeezenas_lat_smal")
    with pytest.raises(ValueError, match="baseline_deeplabv3_resnet18 has no weights"):
        squeezenas.create_model("baseline_deeplabv3_resnet18", pretrained=True)
    with pytest.raises(AttributeError, match="no attribute 'create_modell'"):
        squeezenas.create_modell  # noqa: B018
    assert set(squeezenas.__all__) <= set(dir(squeezenas))


def test_torch_hub(zoo, repository):
    repository = str(repository)
    spec = spec_from_file_location("hubconf", f"{repository}/hubconf.py")
    hubconf = module_from_spec(spec)
    spec.loader.exec_module(hubconf)
    offered = [n for n, v in vars(hubconf).items() if callable(v) and not n.startswith("_")]
    assert offered == [
        f"squeezenas_{cost}_{size}"
        for cost in ("lat", "mac")
        for size in ("large", "small", "xlarge")
    ]
    assert all(find_spec(name) for name in hubconf.dependencies)
    assert "num_classes" in getattr(hubconf, NAME).__doc__
    fresh = torch.hub.load(repository, NAME, source="local", pretrained=False, num_classes=4)
    assert fresh(torch.zeros(1, 3, 32, 32)).shape == (1, 4, 32, 32)
    trained = torch.hub.load(repository, NAME, source="local", pretrained=True)
    assert torch.equal(trained.stem[0].weight, zoo.network.stem[0].weight)
