import json

import pytest
import torch
import yaml

import squeezenas
from squeezenas.core.model_card import read_model_card
from squeezenas.zoo.weights import load_weights
from tests.zoo.conftest import NAME

huggingface_hub = pytest.importorskip("huggingface_hub")


@pytest.fixture
def saved(zoo, tmp_path):
    squeezenas.SqueezeNASModel.from_card(NAME).save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def test_round_trip(zoo, saved):
    assert {path.name for path in saved.iterdir()} == {
        "config.json", "README.md", "model.safetensors", "model.yaml",
    }  # fmt: skip
    model = squeezenas.SqueezeNASModel.from_pretrained(saved)
    assert not model.training
    assert model.card.architecture == zoo.card.architecture
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images), zoo.network(images), rtol=0, atol=0)


def test_the_folder_is_one_of_ours(zoo, saved):
    card = read_model_card(saved / "model.yaml")
    assert (card.name, card.classes) == (NAME, zoo.card.classes)
    state = load_weights(card, saved)
    assert torch.equal(state["stem.0.weight"], zoo.network.stem[0].weight)
    network = squeezenas.create_model(str(saved / "model.yaml"), pretrained=True)
    assert torch.equal(network.stem[0].weight, zoo.network.stem[0].weight)


def test_the_page(saved):
    page = huggingface_hub.ModelCard.load(saved / "README.md")
    assert page.data.license == "mit"
    assert page.data.library_name == "squeezenas"
    assert page.data.pipeline_tag == "image-segmentation"
    assert "arxiv:1908.01748" in page.data.tags
    for told in ("# squeezenas_mac_small", "class IoU, % | 66.77", "GMACs at 1024x2048 | 3.00751"):
        assert told in page.text
    assert yaml.safe_load(page.content.split("---")[1])["license"] == "mit"


def test_push_to_hub(zoo, saved, monkeypatch):
    sent = {}

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **_):
            return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

        def upload_folder(self, *, repo_id, folder_path, **_):
            sent[repo_id] = {path.name: path.read_bytes() for path in folder_path.iterdir()}
            return "done"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    model = squeezenas.SqueezeNASModel.from_pretrained(saved)
    assert model.push_to_hub("me/net") == "done"
    (files,) = sent.values()
    assert files.keys() == {path.name for path in saved.iterdir()}
    for name in ("config.json", "model.safetensors", "README.md"):
        assert files[name] == (saved / name).read_bytes(), name
    assert yaml.safe_load(files["model.yaml"]) == yaml.safe_load((saved / "model.yaml").read_text())


def test_from_the_hub(zoo, saved, monkeypatch):
    def fetch(repo_id, filename, **_):
        assert repo_id == "me/net"
        return str(saved / filename)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", fetch)
    model = squeezenas.SqueezeNASModel.from_pretrained("me/net")
    assert torch.equal(model.network.stem[0].weight, zoo.network.stem[0].weight)


def test_mistakes(zoo, saved):
    load = squeezenas.SqueezeNASModel.from_pretrained
    config = json.loads((saved / "config.json").read_text())
    config["card"]["architecture"][0] = "k3_e6_g1"
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"saved: these weights are of another network"):
        load(saved)
    config["card"]["heads"] = "lr_aspp"
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"card\.heads: unknown key \(did you mean 'card\.head'"):
        load(saved)
    (saved / "config.json").unlink()
    with pytest.raises(ValueError, match=r"saved has no config\.json with a card"):
        load(saved)
