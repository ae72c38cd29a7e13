import hashlib
import shutil

import pytest
import torch
from safetensors.torch import save_file

from squeezenas.cli.main import main
from squeezenas.training.start import starting_weights
from squeezenas.zoo.download import weights_path
from squeezenas.zoo.weights import fetch_weights, load_weights, save_weights


def same(state, network):
    own = network.state_dict()
    return state.keys() == own.keys() and all(torch.equal(state[k], own[k]) for k in own)


def changed(card, **update):
    return card.model_copy(update={"weights": card.weights.model_copy(update=update)})


def test_weights_are_fetched_once_and_converted_once(zoo, tmp_path, monkeypatch):
    assert same(load_weights(zoo.card, tmp_path), zoo.network)
    digest = zoo.card.weights.git_blob_sha1[:8]
    kept = {path.name for path in zoo.home.iterdir() if path.suffix != ".lock"}
    assert kept == {f"squeezenas_mac_small-{digest}{end}" for end in (".pth", ".safetensors")}
    zoo.source.unlink()  # from here on, nothing can be fetched
    monkeypatch.setattr("squeezenas.zoo.weights.read_official", None)  # nor converted
    assert same(load_weights(zoo.card, tmp_path), zoo.network)


def test_a_damaged_conversion_is_made_anew(zoo, tmp_path):
    load_weights(zoo.card, tmp_path)
    converted = weights_path(zoo.card).with_suffix(".safetensors")
    whole = converted.read_bytes()
    converted.write_bytes(whole[:1000])
    assert same(load_weights(zoo.card, tmp_path), zoo.network)
    assert converted.read_bytes() == whole


def test_a_file_put_there_by_hand_is_as_good(zoo, tmp_path):
    path = weights_path(zoo.card)
    path.parent.mkdir(parents=True)
    shutil.move(zoo.source, path)
    assert same(load_weights(zoo.card, tmp_path), zoo.network)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match=rf"cannot be fetched .* by hand at {path}"):
        load_weights(zoo.card, tmp_path)


def test_a_read_only_folder_of_downloads_will_do(zoo, tmp_path, monkeypatch):
    fetch_weights(zoo.card)

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("squeezenas.zoo.weights.write_atomically", refuse)
    assert same(load_weights(zoo.card, tmp_path), zoo.network)


def test_safetensors_have_no_need_of_conversion(zoo, tmp_path):
    digest = save_weights(zoo.source.parent / "net.safetensors", zoo.network, zoo.card)
    url = "https://example.invalid/net.safetensors"
    card = changed(zoo.card, url=url, sha256=digest, git_blob_sha1=None)
    assert same(load_weights(card, tmp_path), zoo.network)
    assert weights_path(card).name == f"squeezenas_mac_small-{digest[:8]}.safetensors"
    # A file beside the card comes first; where it is missing, its url is asked.
    named = changed(card, file="beside.safetensors")
    assert same(load_weights(named, tmp_path), zoo.network)
    save_file({"other": torch.zeros(1)}, tmp_path / "beside.safetensors")
    with pytest.raises(ValueError, match=r"beside\.safetensors: its SHA-256 is"):
        load_weights(named, tmp_path)


def test_another_file_than_the_cards(zoo, tmp_path):
    card = changed(zoo.card, git_blob_sha1="0" * 40)
    with pytest.raises(ValueError, match=r"gave another file .* and not 0000") as error:
        load_weights(card, tmp_path)
    aside = weights_path(card).with_name("squeezenas_mac_small-00000000.pth.wrong")
    assert str(aside) in str(error.value)
    assert (
        hashlib.sha1(aside.read_bytes()).digest() == hashlib.sha1(zoo.source.read_bytes()).digest()
    )
    assert not weights_path(card).exists()


def test_evaluation_and_retraining_fetch_too(zoo, capsys):
    weights = starting_weights(zoo.card.name, None)
    assert same(weights.state, zoo.network)
    weights_path(zoo.card).unlink()
    assert main(["evaluate", f"models={zoo.card.name}", "datasets.root=none", "device=cpu"]) == 2
    assert "Cityscapes (fine) is not in none" in capsys.readouterr().err
    assert weights_path(zoo.card).is_file()


def test_cards_that_cannot_be_fetched(zoo, tmp_path):
    with pytest.raises(ValueError, match=r"without a checksum; add weights\.sha256"):
        load_weights(changed(zoo.card, git_blob_sha1=None), tmp_path)
    with pytest.raises(ValueError, match=r"has no weights\.url"):
        fetch_weights(zoo.card.model_copy(update={"weights": None}))
