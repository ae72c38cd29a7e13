"""Attacks made by hand, each on the reader that it is made for."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from squeezenas.core.model_card import ModelCard, Weights, read_model_card
from squeezenas.core.recipes import load_card, load_model
from squeezenas.core.seal import sealed
from squeezenas.core.space import make_space
from squeezenas.data.pickles import read_pickle
from squeezenas.engine.checkpoint import load_checkpoint
from squeezenas.zoo.build import build
from squeezenas.zoo.convert import read_official
from squeezenas.zoo.download import Checksums, download, weights_path
from squeezenas.zoo.weights import load_weights, read_weights

SHA = Checksums(sha256="0" * 64)
CARD = """\
name: {name}
network: torchvision_lraspp
backbone: mobilenet_v3_large
classes: [road, sky]
dataset: camvid
"""


class Payload:
    """Runs a command when it is unpickled by a reader that believes in it."""

    def __init__(self, witness: Path) -> None:
        self.command = f"touch {witness}"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (self.command,)


def archive(path: Path, data: bytes) -> None:
    """A file of torch whose pickle is this."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", data)
        file.writestr("x/version", "3\n")
    path.write_bytes(sealed(path.read_bytes()))


@pytest.mark.parametrize("read", [load_checkpoint, read_official, lambda p: read_pickle(p, 9999)])
@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_pickle_runs_nothing(tmp_path: Path, read: Callable, protocol: int) -> None:
    content = pickle.dumps({"a": Payload(tmp_path / "witness")}, protocol)
    for name in ("bare", "archive"):
        path = tmp_path / name
        path.write_bytes(content) if name == "bare" else archive(path, content)
        with pytest.raises(ValueError, match=rf"{name}"):
            read(path)
    assert not (tmp_path / "witness").exists()
    pickle.loads(content)  # the payload is a real one
    assert (tmp_path / "witness").exists()


def nested(levels: int) -> bytes:
    """Tuples of two, each the one before twice: the hash of the last takes 2^levels steps."""
    body = b"".join(b"h%c" % (n - 1) * 2 + b"\x86q%c" % n for n in range(1, levels))
    return b"\x80\x02}" + b")q\x00" + body + b"K\x01s."


@pytest.mark.parametrize(
    "content",
    [
        nested(90),
        b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.",  # deeper than the stack of C
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memory of two billion entries
        b"\x80\x02}\x8e" + struct.pack("<Q", 1 << 62) + b".",  # bytes of which none follow
        b"\x80\x02}\x82\x01.",  # an extension
        pickle.dumps({"a": np.array([1, "x"], dtype=object)}, 2),
        pickle.dumps({"a": np.zeros(2, "U1000000")}, 2)[:400],
        pickle.dumps({"a": np.zeros(2, np.dtype([("x", "u1"), ("y", "O")]))}, 2),
        pickle.dumps({"a": {1, 2}}, 4),
    ],
)
def test_pickles_that_take_memory_or_time_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "batch"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="batch"):
        read_pickle(path, 1 << 24)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_plain_data_and_arrays_come_back(tmp_path: Path, order: str, protocol: int) -> None:
    path = tmp_path / "batch"
    array = np.asfortranarray(np.arange(6, dtype=f"{order}i4").reshape(2, 3))
    path.write_bytes(pickle.dumps({"a": array, "b": [1, "x", b"\xff", None, 0.5]}, protocol))
    found = read_pickle(path, 1 << 16)
    np.testing.assert_array_equal(found["a"], array)
    assert found["b"] == [1, "x", b"\xff", None, 0.5]


def safetensors(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4)


def beside(tensor: object) -> bytes:
    whole = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return safetensors({"a": tensor, "b": whole})


@pytest.mark.parametrize(
    "content",
    [
        safetensors({"a": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 4]}}),
        safetensors({"a": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}}),
        safetensors({"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 4]}}),
        safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}}),
        safetensors({"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}),
        safetensors({"a": {"dtype": "F8_E8M0", "shape": [4], "data_offsets": [0, 4]}}),
        beside({"dtype": "F32", "shape": [0, 1 << 62, 1 << 62], "data_offsets": [0, 0]}),
        beside({"dtype": "F32", "shape": [0, (1 << 64) - 1], "data_offsets": [0, 0]}),
        struct.pack("<Q", 1 << 63) + b"{}",
        struct.pack("<Q", 8) + b"[[[[[[[[",
        safetensors({"__metadata__": {"squeezenas": "[" * 99_999}}),
        safetensors({"__metadata__": {"squeezenas": "[]"}}),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.safetensors"):
        read_weights(path)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost/x", "http://example.org/x", "data:,x", "jar:file:///x", "//host/x",
        "gopher://localhost/x", "HTTP://example.org/x", "http://localhost@example.org/x",
        "http://127.0.0.1.example.org/x", "javascript:1", "", "http://[",
        "https://h\u00f6st/x", "https://host/a b", "https://h/\n",
    ],
)  # fmt: skip
def test_no_other_address_is_asked(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SQUEEZENAS_MIRROR", raising=False)
    with pytest.raises(ValueError, match="https: and file: addresses only"):
        download(url, tmp_path / "weights", SHA)
    assert list(tmp_path.iterdir()) == []


def test_a_card_is_not_kept_beyond_the_folder_of_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEEZENAS_HOME", str(tmp_path / "home"))
    card = ModelCard(
        name="../../evil/\0x", network="torchvision_lraspp", backbone="mobilenet_v3_large",
        classes=("a", "b"), dataset="camvid",
        weights=Weights(url="https://example.invalid/x.pth", sha256="0" * 64),
    )  # fmt: skip
    assert weights_path(card).parent == tmp_path / "home" / "weights"
    assert weights_path(card).name == ".._.._evil__x-00000000.pth"


def test_a_server_that_sends_without_end_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("squeezenas.zoo.download.LARGEST", 1000)
    monkeypatch.delenv("SQUEEZENAS_MIRROR", raising=False)
    source = tmp_path / "endless"
    source.write_bytes(bytes(5000))
    with pytest.raises(OSError, match="more than 1,000 bytes"):
        download(source.as_uri(), tmp_path / "weights", SHA)
    assert not (tmp_path / "weights").exists()


def test_a_card_does_not_carry_the_environment_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    path = tmp_path / "card.yaml"
    for name in ("${oc.env:SECRET}", "${oc.decode:${oc.env:SECRET}}", "${oc.env:SECRET,a_ROOT}"):
        path.write_text(CARD.format(name=f"'{name}'"))
        with pytest.raises(ValueError, match="is not understood") as refused:
            load_model(str(path))
        assert "hunter2" not in str(refused.value)
    path.write_text(CARD.format(name="x"))
    assert read_model_card(path).name == "x"


def test_a_data_set_finds_its_place_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMVID_ROOT", str(tmp_path))
    card: Any = load_card(["datasets=camvid"])
    assert card.root == tmp_path


@pytest.mark.parametrize("file", ["../w.safetensors", "/w.safetensors", "a/../../w"])
def test_a_card_names_no_weights_beyond_its_folder(file: str) -> None:
    with pytest.raises(ValueError, match="not in the folder of the card"):
        Weights(file=Path(file), sha256="0" * 64)


def test_weights_are_those_of_the_card_or_none(tmp_path: Path) -> None:
    card = ModelCard(
        name="x", network="torchvision_lraspp", backbone="mobilenet_v3_large",
        classes=("a", "b"), dataset="camvid",
        weights=Weights(file=Path("w.safetensors"), sha256="0" * 64),
    )  # fmt: skip
    (tmp_path / "w.safetensors").write_bytes(safetensors({}))
    with pytest.raises(ValueError, match=r"w\.safetensors"):
        load_weights(card, tmp_path)


@pytest.mark.parametrize(
    ("space", "scale"),
    [
        ("darts_cell", {"cells": 10**9}),
        ("darts_cell", {"channels": 10**9}),
        ("enas_macro", {"layers": 10**6}),
        ("enas_rnn", {"nodes": 10**9}),
        ("darts_rnn", {"hidden": 10**12}),
        ("nas_rnn_tree", {"leaves": 10**6}),
        ("nas_chain", {"layers": 10**9}),
        ("nasbench201", {"cells": 10**9}),
        ("fbnet", {"depth": 1e308}),
        ("fbnet", {"width": float("inf")}),
    ],
)
def test_a_card_has_no_network_without_end(space: str, scale: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"space {space}: scale.{next(iter(scale))}"):
        make_space(space, scale)


def test_an_archive_of_torch_with_a_size_that_lies(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.zeros(4)}, path)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    pickled = next(name for name in members if name.endswith("data.pkl"))
    large = members[pickled].replace(
        b"K\x04\x85", b"\x8a\x06" + (1 << 40).to_bytes(6, "little") + b"\x85"
    )
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, large if name == pickled else content)
    assert large != members[pickled]
    with pytest.raises(ValueError, match=r"net\.pth"):
        read_official(path)


def test_a_backbone_without_end_is_refused() -> None:
    card = ModelCard(
        name="x", task="language", network="lstm_language", backbone="lstm999999_9",
        words=3, dataset="ptb",
    )  # fmt: skip
    with pytest.raises(ValueError, match="its backbone is lstm"):
        build(card)
