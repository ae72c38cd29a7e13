"""Recipes: cards found by name, merged with overrides, and validated into a configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from omegaconf import OmegaConf

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.files import read_yaml
from squeezenas.core.model_card import ModelCard, read_model_card
from squeezenas.core.overrides import Request, merge, parse
from squeezenas.core.registry import nearest
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.validation import Origin, validated

DEFAULT_REGIME = "search_street_scenes"
SECTIONS = {"datasets": "datasets", "training_regimes": "regime"}
"""Which section of a search each group fills."""


def places() -> list[Path]:
    """Folders that hold card groups, first match wins: here, the checkout, inside the package."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    # Beside an installed package lie other people's packages, and one of them is named `datasets`.
    beside = [checkout] if (checkout / "pyproject.toml").is_file() else []
    return [Path(), *beside, package / "recipes"]


def cards(group: str) -> dict[str, Path]:
    """Name -> file of every card of a group, sorted by name."""
    found: dict[str, Path] = {}
    for place in reversed(places()):
        found |= {path.stem: path for path in (place / group).glob("*.yaml")}
    return dict(sorted(found.items()))


def find(group: str, name: str) -> Path:
    """The file of a card, given by name or as a path to a YAML file.

    Raises:
        FileNotFoundError: a path that does not exist.
        ValueError: no card of that name; points at the nearest and lists all.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(f"{group}={name}: no such file; give a card or a YAML file")
        return path
    known = cards(group)
    if name not in known:
        listed = ", ".join(known) or f"none; a card is a file {group}/<name>.yaml"
        raise ValueError(
            f"{group}={name}: no such card{nearest(name, list(known))}; known: {listed}"
        )
    return known[name]


def load_search(arguments: Sequence[str]) -> SearchConfig:
    """The configuration of a search from arguments like `datasets=cityscapes regime.epochs=3`.

    Without a regime it is the embedded default; without a data set, the one the regime names.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: unknown card or key, wrong value; names every full key.
    """
    request = parse(arguments, list(SECTIONS))
    regime_file = find("training_regimes", request.cards.get("training_regimes", DEFAULT_REGIME))
    regime = read_yaml(regime_file)
    dataset = request.values.get("regime.dataset", regime.get("dataset", "street_scenes"))
    dataset_file = find("datasets", request.cards.get("datasets", str(dataset)))
    files = {"datasets": dataset_file, "regime": regime_file}
    content = merge(
        OmegaConf.create({"datasets": read_yaml(dataset_file), "regime": regime}), request.values
    )
    config = validated(SearchConfig, content, _origin(request, files))
    if config.name:
        return config
    name = "-".join([files["regime"].stem, config.datasets.name, f"{datetime.now():%Y%m%d-%H%M%S}"])
    return config.model_copy(update={"name": re.sub(r"[^\w.+-]", "_", name)})


def load_dataset(arguments: Sequence[str]) -> DatasetCard:
    """The dataset card of `datasets=<card> datasets.key=value ...`.

    Raises:
        FileNotFoundError: a card given as a path does not exist.
        ValueError: no or unknown card, unknown key, wrong value.
    """
    request = parse(arguments, ["datasets"])
    if "datasets" not in request.cards:
        raise ValueError(f"name a card with datasets=<card>; known: {', '.join(cards('datasets'))}")
    for key in request.values:
        if not key.startswith("datasets."):
            raise ValueError(
                f"{key}: unknown key; only datasets=<card> and datasets.* are read here"
            )
    file = find("datasets", request.cards["datasets"])
    content = merge(OmegaConf.create({"datasets": read_yaml(file)}), request.values)
    origin = _origin(request, {"datasets": file})
    return validated(DatasetCard, content["datasets"], origin, prefix="datasets")


def load_model(name_or_path: str) -> ModelCard:
    """The model card of that name, or in that YAML file (`runs/<name>/architecture.yaml`).

    Raises:
        FileNotFoundError: a path that does not exist.
        ValueError: unknown card, unknown key, wrong value.
    """
    return read_model_card(find("models", name_or_path))


def _origin(request: Request, files: dict[str, Path]) -> Origin:
    """Says where a key's value was written."""

    def origin(key: str) -> str:
        section = key.partition(".")[0]
        here = f"(in {files[section]})" if section in files else ""
        return request.origin(key) or here

    return origin
