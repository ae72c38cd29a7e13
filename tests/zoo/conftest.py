"""A zoo of one card whose official file lies in a mirror, so that nothing needs the network."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from torch import nn

from squeezenas.core.model_card import ModelCard, Weights, write_model_card
from squeezenas.core.recipes import load_model
from tests.zoo.official import git_blob, write_official

NAME = "squeezenas_mac_small"


class Zoo(NamedTuple):
    """The card, its file in the mirror, the network in it, and the folder of downloads."""

    card: ModelCard
    source: Path
    network: nn.Module
    home: Path


@pytest.fixture
def zoo(tmp_path, repository, monkeypatch) -> Zoo:
    monkeypatch.chdir(repository)
    card = load_model(NAME)
    for folder in ("mirror", "models"):
        (tmp_path / folder).mkdir()
    source = tmp_path / "mirror" / "mac_small.pth"
    network = write_official(source, card)
    weights = Weights(
        url="https://example.invalid/raw/mac_small.pth",
        git_blob_sha1=git_blob(source.read_bytes()),
        licence="MIT",
    )
    card = card.model_copy(update={"weights": weights})
    write_model_card(tmp_path / "models" / f"{NAME}.yaml", card)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQUEEZENAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SQUEEZENAS_MIRROR", source.parent.as_uri())
    return Zoo(card, source, network, tmp_path / "home" / "weights")
