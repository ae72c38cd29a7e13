"""Resuming: the saved configuration rules, and what the command line adds must agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from squeezenas.core.files import read_yaml
from squeezenas.core.overrides import merge, parse
from squeezenas.core.recipes import SECTIONS, find
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.validation import validated

CHANGEABLE = ("device", "workers", "threads", "tracking", "wandb", "checkpoint_minutes", "runs")
"""Keys that do not alter what is computed, so a resumed run may change them."""


def differences(a: SearchConfig, b: SearchConfig) -> list[str]:
    """Dotted keys in which two configurations differ, in the order of the schema."""
    left, right = _flat(a.model_dump(mode="json")), _flat(b.model_dump(mode="json"))
    missing = object()
    return [key for key in left | right if left.get(key, missing) != right.get(key, missing)]


def load_resumed(folder: Path, arguments: Sequence[str]) -> SearchConfig:
    """The configuration of the run in `folder`, with the changeable keys of the arguments.

    Raises:
        FileNotFoundError: no run there.
        ValueError: the arguments ask for something else than was saved; lists the keys.
    """
    file = folder / "config.yaml"
    if not file.is_file():
        raise FileNotFoundError(
            f"{folder}: no run to resume here (config.yaml is missing); "
            "give the folder of a run, for example --resume runs/<name>"
        )
    saved = validated(
        SearchConfig,
        OmegaConf.to_container(read_yaml(file), resolve=False),
        lambda key: f"(in {file})",
    )
    request = parse(arguments, list(SECTIONS))
    wanted = OmegaConf.create(saved.model_dump(mode="json"))
    assert isinstance(wanted, DictConfig)
    for group, card in request.cards.items():
        wanted[SECTIONS[group]] = read_yaml(find(group, card))
    content = merge(wanted, request.values)
    config = validated(SearchConfig, content, lambda key: request.origin(key) or "")
    old, new = (_flat(side.model_dump(mode="json")) for side in (saved, config))
    changed = [
        f"{key} ({old.get(key)} -> {new.get(key)})"
        for key in differences(saved, config)
        if key.partition(".")[0] not in CHANGEABLE
    ]
    if changed:
        raise ValueError(
            f"{folder} was made with another configuration; "
            f"these keys differ: {', '.join(changed)}; "
            "leave them out to resume, or start a new run with another name"
        )
    return config


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of nested mappings; an empty mapping is a value."""
    if not isinstance(data, dict) or not data:
        return {prefix: data}
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found
