"""Trained weights: a safetensors file beside the model card, or one that is fetched; known by hash.

The format holds tensors and text only: reading a file runs no code that is in it. Files of the
official code are kept as they were fetched, and their conversion beside them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from squeezenas.core.files import write_atomically
from squeezenas.core.model_card import ModelCard
from squeezenas.core.reading import parse_json
from squeezenas.core.seal import BLANK, filled, holds
from squeezenas.zoo.build import build
from squeezenas.zoo.convert import read_official
from squeezenas.zoo.download import Checksums, download, weights_path

NAMED = 3  # tensors of each kind in a message
KEY = "squeezenas"  # of what a file says about itself


def save_weights(path: Path, network: nn.Module, card: ModelCard) -> str:
    """Writes all tensors of a network, whole or not at all, with the card's name and classes.

    Returns:
        The file's SHA-256; the same weights give the same file.

    Raises:
        OSError: it cannot be written; a previous file stays.
    """
    return _save(path, network.state_dict(), card)


def _save(path: Path, state: Mapping[str, Tensor], card: ModelCard) -> str:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    # One entry: several would be written in an order that differs from run to run.
    about = json.dumps({"seal": BLANK, "name": card.name, "classes": card.classes})
    content = filled(save(tensors, {KEY: about}))
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def load_weights(card: ModelCard, folder: Path) -> dict[str, Tensor]:
    """The tensors of a card by name, on the CPU: of its file, or else of its url.

    What is fetched is kept in the folder of downloads.

    Args:
        card: names the file, or where it is fetched from.
        folder: where the card is.

    Raises:
        FileNotFoundError: the file is missing, and there is no url.
        OSError: it cannot be fetched.
        ValueError: the card names neither, or the file is damaged or not the one of the card.
    """
    source = card.weights
    if source is None or (source.file is None and source.url is None):
        raise ValueError(f"model card {card.name} has no weights.file and no url; train it first")
    if source.file is not None and ((folder / source.file).is_file() or source.url is None):
        return _load_beside(card, folder / source.file)
    path = fetch_weights(card)
    if path.suffix == ".safetensors":
        return _tensors(path, path.read_bytes())
    converted = path.with_suffix(".safetensors")
    if converted.is_file():
        with suppress(ValueError):  # damaged: it is made anew
            return read_weights(converted)[0]
    state = convert_weights(card, path)
    with suppress(OSError):  # a folder of downloads may be read-only
        _save(converted, state, card)
    return state


def fetch_weights(card: ModelCard) -> Path:
    """The verified file of a card's url, fetched unless it is there.

    Raises:
        OSError: it cannot be fetched; says which file to put where.
        ValueError: the card has no url or no checksum, or the file is another one.
    """
    path = weights_path(card)
    assert card.weights is not None
    assert card.weights.url is not None
    checksums = Checksums(card.weights.sha256, card.weights.git_blob_sha1)
    if not (path.is_file() and not checksums.fault(path)):
        download(card.weights.url, path, checksums)
    return path


def convert_weights(card: ModelCard, path: Path) -> dict[str, Tensor]:
    """The tensors of a file of the official code, by our names.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no plain state dict, or of another network than the card's; names tensors.
    """
    state = read_official(path)
    with torch.device("meta"):
        network = build(card)
    try:
        _require_fit(network.state_dict(), state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; model card {card.name} is not theirs") from None
    return state


def _load_beside(card: ModelCard, path: Path) -> dict[str, Tensor]:
    assert card.weights is not None
    content = _content(path, f"the weights of model card {card.name} are missing; put them there")
    tensors = _tensors(path, content)
    found = hashlib.sha256(content).hexdigest()
    if found != card.weights.sha256:
        raise ValueError(
            f"{path}: its SHA-256 is {found}, but model card {card.name} is of "
            f"{card.weights.sha256}; copy card and weights together"
        )
    return tensors


def read_weights(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors by name, on the CPU, and the class names of a file of `save_weights`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or not written by `save_weights`.
    """
    content = _content(path, "no such file; name a .safetensors file")
    tensors = _tensors(path, content)
    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get(KEY, "null")
    about = parse_json(text, str(path))
    if not isinstance(about, dict) or not isinstance(about.get("classes"), list):
        raise ValueError(f"{path}: it does not say its classes; name weights that squeezenas wrote")
    if not holds(content, str(about.get("seal"))):
        raise ValueError(
            f"{path}: it is not what its seal says, or an older version wrote it; copy it again, "
            "or write it anew"
        )
    return tensors, tuple(map(str, about["classes"]))


def load_into(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copies weights into a network that has exactly these tensors.

    Raises:
        ValueError: some do not fit, and nothing was copied; counts and names them.
    """
    _require_fit(network.state_dict(), state)
    network.load_state_dict(dict(state))


def _require_fit(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    misshapen = [
        f"{name} {_shape(state[name])} for {_shape(tensor)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds.items() if names]
    if faults:
        raise ValueError(f"these weights are of another network; tensors: {', '.join(faults)}")


def _content(path: Path, otherwise: str) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: {otherwise}")
    return path.read_bytes()


def _tensors(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return load(content)
    except Exception as error:  # headers that lie fail in every way there is
        raise ValueError(
            f"{path}: truncated, or no safetensors file ({error}); copy it again"
        ) from error


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _first(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
