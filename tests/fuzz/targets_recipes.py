"""Cards, regimes and configurations: what people send each other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from squeezenas.core.files import to_yaml
from squeezenas.core.model_card import read_model_card
from squeezenas.core.recipes import load_card, load_model, load_retraining, load_search
from squeezenas.core.resume import load_resumed, load_resumed_search
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.zoo.build import build
from tests.fuzz.target import Target

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = REPOSITORY / "models" / "squeezenas_mac_small.yaml"
SCENES = REPOSITORY / "datasets" / "street_scenes.yaml"


def _shipped(pattern: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(REPOSITORY.glob(pattern))]


def _build(path: Path) -> object:
    with torch.device("meta"):
        return build(read_model_card(path))


def _search(path: Path) -> object:
    return load_search([f"training_regimes={path}", f"datasets={SCENES}"])


def _retraining(path: Path) -> object:
    return load_retraining([f"training_regimes={path}", f"models={MODEL}"])


@functools.cache
def _saved_searches() -> list[bytes]:
    regimes = ("search_street_scenes", "search_aging_evolution")
    configs = [load_search([f"training_regimes={name}", "name=x"]) for name in regimes]
    return [to_yaml(config.model_dump(mode="json")).encode() for config in configs]


@functools.cache
def _saved_retrainings() -> list[bytes]:
    configs = [load_retraining([f"models={MODEL}", "name=x"])]
    return [to_yaml(config.model_dump(mode="json")).encode() for config in configs]


def _override(path: Path) -> object:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return load_search([line for line in text.splitlines() if line])


TARGETS = [
    Target(
        "dataset_card",
        lambda path: load_card([f"datasets={path}"]),
        _shipped("datasets/*.yaml"),
        ("yaml", "text"),
        "card.yaml",
        covers=("core.reading", "core.recipes"),
    ),
    Target(
        "model_card",
        lambda path: load_model(str(path)),
        _shipped("models/*.yaml"),
        ("yaml", "text"),
        "card.yaml",
        covers=("core.model_card",),
    ),
    Target(
        "network_of_card",
        _build,
        _shipped("models/*_[lmx]*_*.yaml"),
        ("yaml",),
        "card.yaml",
        named=False,
    ),
    Target(
        "search_regime",
        _search,
        _shipped("training_regimes/search_*[!b0].yaml"),
        ("yaml", "text"),
        "regime.yaml",
    ),
    Target(
        "retrain_regime",
        _retraining,
        _shipped("training_regimes/retrain_*s.yaml"),
        ("yaml", "text"),
        "regime.yaml",
    ),
    Target(
        "saved_search",
        lambda path: load_resumed_search(path.parent, []),
        _saved_searches,
        ("yaml", "text"),
        "config.yaml",
        covers=("core.resume",),
    ),
    Target(
        "saved_retraining",
        lambda path: load_resumed(path.parent, [], RetrainConfig),
        _saved_retrainings,
        ("yaml", "text"),
        "config.yaml",
    ),
    Target(
        "override",
        _override,
        lambda: [b"regime.crop=[64,96]\nregime.epochs=4\nname=a\n", b"seed=1e1\ndevice=cpu\n"],
        ("text",),
        named=False,
        covers=("core.overrides",),
    ),
]
