"""Tensors: checkpoints, weights, official files, and folders of the Hugging Face Hub.

Seals keep out accidents, not people: what has a seal is also attacked with the seal set right.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from squeezenas.core.model_card import ModelCard
from squeezenas.core.seal import BLANK, LENGTH, filled, sealed
from squeezenas.engine.checkpoint import (
    load_checkpoint,
    random_states,
    save_checkpoint,
)
from squeezenas.zoo.convert import read_official
from squeezenas.zoo.hub import SqueezeNASModel
from squeezenas.zoo.weights import KEY, load_into, read_weights, save_weights
from tests.fuzz.target import Target

CARD = ModelCard(
    name="tiny",
    task="language",
    network="lstm_language",
    backbone="lstm1_4",
    words=5,
    dataset="ptb",
)


@functools.cache
def _model() -> SqueezeNASModel:
    torch.manual_seed(0)
    return SqueezeNASModel(CARD.model_dump(mode="json", exclude_defaults=True))


def _file(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


def _checkpoints() -> Sequence[bytes]:
    network = _model().network
    optimiser = torch.optim.Adam(network.parameters())
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "random": random_states(),
        "run": {"step": 3, "metrics": 120, "sinks": {}},
        "names": ("a", None, 0.5, True),
    }
    return [_file(lambda path: save_checkpoint(path, state))]


def _states() -> Sequence[bytes]:
    """Files as the official code wrote them: the older form too, which is a bare pickle."""
    state = {"encoder.conv1.0.weight": torch.zeros(2, 3), "logits3.bias": torch.arange(4)}
    return [
        _file(lambda path: torch.save(state, path)),
        _file(lambda path: torch.save(state, path, _use_new_zipfile_serialization=False)),
    ]


def _weights() -> Sequence[bytes]:
    return [_file(lambda path: save_weights(path, _model().network, CARD))]


def _unsealed_weights() -> Sequence[bytes]:
    """Weights whose seal is still to be set; so any change of them can be sealed."""
    content = _weights()[0]
    length = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][KEY])
    return [content.replace(about["seal"].encode(), BLANK.encode())]


def _after(change: Callable[[bytes], bytes], read: Callable[[Path], object]):
    def changed(path: Path) -> object:
        path.write_bytes(change(path.read_bytes()))
        return read(path)

    return changed


def _into(path: Path) -> None:
    load_into(_model().network, read_weights(path)[0])


def _saved_model(folder: Path) -> None:
    _model().save_pretrained(folder)


TARGETS = [
    Target(
        "checkpoint", load_checkpoint, _checkpoints, (), "last.pt", covers=("engine.checkpoint",)
    ),
    Target(
        "checkpoint_resealed",
        _after(sealed, load_checkpoint),
        lambda: [content[:-LENGTH] for content in _checkpoints()],
        ("zip",),
        "last.pt",
    ),
    Target("official_weights", read_official, _states, (), "net.pth", covers=("zoo.convert",)),
    Target("official_archive", read_official, lambda: _states()[:1], ("zip",), "net.pth"),
    Target(
        "weights",
        read_weights,
        _weights,
        ("safetensors",),
        "w.safetensors",
        covers=("zoo.weights",),
    ),
    Target(
        "weights_resealed",
        _after(filled, read_weights),
        _unsealed_weights,
        ("safetensors",),
        "w.safetensors",
    ),
    Target("weights_into", _after(filled, _into), _unsealed_weights, ("safetensors",), named=False),
    Target(
        "hub_folder",
        lambda path: SqueezeNASModel.from_pretrained(path.parent),
        lambda: [json.dumps({"card": _model().card.model_dump(mode="json")}).encode()],
        ("json",),
        "config.json",
        _saved_model,
        named=False,
        covers=("zoo.hub",),
    ),
]
