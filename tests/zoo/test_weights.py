import hashlib
import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from squeezenas.core.model_card import ModelCard, Weights
from squeezenas.zoo.weights import load_into, load_weights, read_weights, save_weights

CARD = ModelCard(
    name="tiny",
    network="timm_deeplabv3",
    backbone="resnet18",
    classes=("road", "sky"),
    dataset="camvid",
)


def network(channels: int = 4) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels))
    return layers.to(memory_format=torch.channels_last)


def saved(folder, sha256=None) -> ModelCard:
    found = save_weights(folder / "w.safetensors", network(), CARD)
    return CARD.model_copy(
        update={"weights": Weights(file="w.safetensors", sha256=sha256 or found)}
    )


def test_weights_come_back_and_the_file_says_whose_they_are(tmp_path):
    card, source = saved(tmp_path), network()
    content = (tmp_path / "w.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.weights.sha256
    assert list(tmp_path.iterdir()) == [tmp_path / "w.safetensors"]
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        about = json.loads(file.metadata()["squeezenas"])
    assert about.pop("seal")
    assert about == {"name": "tiny", "classes": ["road", "sky"]}
    state = load_weights(card, tmp_path)
    target = network()
    nn.init.zeros_(target[0].weight)
    load_into(target, state)
    assert all(map(torch.equal, target.state_dict().values(), source.state_dict().values()))
    assert target[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert saved(tmp_path) == card  # the same file every time


def test_files_that_are_not_those_of_the_card(tmp_path):
    card = saved(tmp_path)
    path = tmp_path / "w.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(ValueError, match=r"w\.safetensors: truncated, or no safetensors file"):
        load_weights(card, tmp_path)
    path.write_bytes(b"\x80\x04hello")
    with pytest.raises(ValueError, match=r"w\.safetensors: truncated, or no safetensors file"):
        load_weights(card, tmp_path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match=rf"its SHA-256 is .* tiny is of {card.weights.sha256}"):
        load_weights(card, tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"w\.safetensors: the weights of model card tiny"):
        load_weights(card, tmp_path)
    with pytest.raises(ValueError, match=r"model card tiny has no weights\.file"):
        load_weights(CARD, tmp_path)


def test_a_lone_file_knows_its_classes(tmp_path):
    saved(tmp_path)
    state, classes = read_weights(tmp_path / "w.safetensors")
    assert classes == ("road", "sky")
    assert all(torch.equal(state[name], t) for name, t in network().state_dict().items())
    save_file({"0.weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r"foreign\.safetensors: it does not say its classes"):
        read_weights(tmp_path / "foreign.safetensors")
    (tmp_path / "half.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"half\.safetensors: truncated"):
        read_weights(tmp_path / "half.safetensors")
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors: no such file"):
        read_weights(tmp_path / "none.safetensors")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    saved(tmp_path)
    before = (tmp_path / "w.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(tmp_path / "w.safetensors", network(8), CARD)
    assert (tmp_path / "w.safetensors").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "w.safetensors"]


def test_weights_of_another_network_are_refused_untouched():
    target = network()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    state = network(8).state_dict()
    del state["1.running_mean"], state["1.num_batches_tracked"]
    state["2.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="another network") as caught:
        load_into(target, state)
    message = str(caught.value)
    assert "2 missing (1.running_mean, 1.num_batches_tracked)" in message
    assert "1 unexpected (2.weight)" in message
    assert "5 of another shape (0.weight 8x3x3x3 for 4x3x3x3, 0.bias 8 for 4, " in message
    assert message.count("...") == 1
    assert all(torch.equal(before[name], tensor) for name, tensor in target.state_dict().items())
