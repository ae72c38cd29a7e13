import pytest
import torch

from squeezenas.core.model_card import Weights as CardWeights
from squeezenas.core.model_card import read_model_card, write_model_card
from squeezenas.training.start import CARD, starting_weights
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import save_weights
from tests.training import toy


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def trained(tmp_path):
    """The folder of a finished stage, and its network."""
    card = read_model_card(toy.model(tmp_path))
    network = build(card)
    folder = tmp_path / "1-first"
    folder.mkdir()
    digest = save_weights(folder / "weights.safetensors", network, card)
    about = CardWeights(file="weights.safetensors", sha256=digest)
    write_model_card(folder / CARD, card.model_copy(update={"weights": about}))
    return folder, network, card


def assert_of(weights, network, classes):
    state = network.state_dict()
    assert set(weights.state) == set(state)
    assert all(torch.equal(weights.state[name], state[name]) for name in state)
    assert weights.classes == classes


def test_fresh_ones():
    assert starting_weights("scratch", None) is None
    assert starting_weights("previous", None) is None


def test_scratch_does_not_look_at_the_stage_before(trained):
    assert starting_weights("scratch", trained[0]) is None


def test_previous_stage_card_and_file_are_the_same_weights(trained):
    folder, network, card = trained
    file, other = folder / "weights.safetensors", folder / CARD
    for init, previous in (("previous", folder), (str(other), None), (str(file), None)):
        weights = starting_weights(init, previous)
        assert_of(weights, network, card.classes)
        assert weights.source == (str(file) if init == str(file) else str(other))


def test_what_is_not_there(tmp_path, trained):
    folder, _, _ = trained
    for init in ("nowhere/card.yaml", "nowhere.safetensors", str(tmp_path / "x.safetensors")):
        with pytest.raises(FileNotFoundError, match="no such file"):
            starting_weights(init, None)
    with pytest.raises(ValueError, match="no such card"):
        starting_weights("squeezenas_mac_smal", None)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="the weights of model card toy are missing"):
        starting_weights(str(folder / CARD), None)


def test_a_card_without_weights_and_a_damaged_file(tmp_path, trained):
    folder, _, _ = trained
    with pytest.raises(ValueError, match=r"model card toy has no weights.*; train it first"):
        starting_weights(str(tmp_path / "toy.yaml"), None)
    file = folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    for init in (str(file), str(folder / CARD)):
        with pytest.raises(ValueError, match=r"weights\.safetensors"):
            starting_weights(init, None)
