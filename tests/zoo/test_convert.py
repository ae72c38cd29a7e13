import hashlib
import pickle

import pytest
import torch
from torch import nn

from squeezenas.core.recipes import cards, load_model
from squeezenas.zoo.build import build
from squeezenas.zoo.convert import our_name, read_official
from squeezenas.zoo.weights import convert_weights
from tests.zoo.official import git_blob, official_names, write_official

PUBLISHED = [name for name in cards("models") if name.startswith("squeezenas_")]


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_tensor_of_the_official_code_has_its_place(name):
    card = load_model(name)
    official = official_names(card)
    with torch.device("meta"):
        own = build(card).state_dict()
    assert len(set(official)) == len(official) == len(own)
    assert {our_name(key) for key in official} == set(own)


@pytest.mark.parametrize("name", ["mac_small", "lat_small"])
def test_genuine_files(name, shared_data):
    path = shared_data / "weights" / f"{name}.pth"
    if not path.is_file():
        pytest.skip(f"no {path}")
    card = load_model(f"squeezenas_{name}")
    content = path.read_bytes()
    assert card.weights.git_blob_sha1 == git_blob(content)
    assert card.weights.sha256 == hashlib.sha256(content).hexdigest()
    raw = torch.load(path, weights_only=True)
    assert set(raw) == set(official_names(card))
    state = convert_weights(card, path)
    assert all(torch.equal(state[our_name(key)], value) for key, value in raw.items())


def test_reduction_by_skip_is_renamed_too():
    names = ["encoder.residuals.4.op.conv_1.0.weight", "encoder.residuals.0.op.op.2.bias"]
    assert [our_name(name) for name in names] == ["units.4.op.conv1.0.weight", "units.0.op.2.bias"]


class Trap:
    """Unpickled without care, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_what_is_no_state_dict_is_refused_and_not_run(tmp_path):
    path, sprung = tmp_path / "net.pth", tmp_path / "sprung"
    for legacy in (True, False):
        torch.save(
            {"weight": torch.zeros(1), "trap": Trap(sprung)}, path,
            _use_new_zipfile_serialization=not legacy,
        )  # fmt: skip
        with pytest.raises(ValueError, match=r"net\.pth is no plain state dict: .* not done"):
            read_official(path)
    path.write_bytes(pickle.dumps(Trap(sprung), protocol=2))
    with pytest.raises(ValueError, match=r"net\.pth"):
        read_official(path)
    torch.save(nn.Linear(2, 2), path)  # a whole network
    with pytest.raises(ValueError, match=r"is no plain state dict"):
        read_official(path)
    for other in ([torch.zeros(1)], {"epoch": 3}, {"state_dict": {"weight": torch.zeros(1)}}):
        torch.save(other, path)
        with pytest.raises(ValueError, match=r"is no plain state dict, tensors by name"):
            read_official(path)
    assert not sprung.exists()


def test_damaged_files(tmp_path):
    path, card = tmp_path / "net.pth", load_model("squeezenas_mac_small")
    write_official(path, card)
    whole = path.read_bytes()
    for content in (
        whole[:-100],
        whole[:5000],
        whole[: len(whole) // 2],
        b"",
        b"<html>",
        b"\0" * 9,
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net\.pth is (damaged|no plain state dict)"):
            read_official(path)
    with pytest.raises(FileNotFoundError, match=r"none\.pth: no such file"):
        read_official(tmp_path / "none.pth")


def test_files_of_other_networks(tmp_path):
    path = tmp_path / "net.pth"
    write_official(path, load_model("squeezenas_mac_small"))
    with pytest.raises(ValueError, match="another network") as caught:
        convert_weights(load_model("squeezenas_lat_small"), path)
    message = str(caught.value)
    assert "net.pth: these weights" in message
    assert "18 missing (units.10.op.0.weight" in message
    assert "90 unexpected (units.1.op.0.weight" in message
    assert "units.0.op.0.weight 16x8x1x1 for 16x16x1x1" in message
    assert "model card squeezenas_lat_small" in message
