"""Resuming: the saved configuration rules, and what the command line adds must agree with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from squeezenas.core.overrides import merge, parse
from squeezenas.core.reading import read_yaml
from squeezenas.core.recipes import AnySearch, C, groups, place, require_stages, search_kind
from squeezenas.core.run_config import RunConfig
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.validation import validated

CHANGEABLE = (
    "device",
    "workers",
    "threads",
    "processes",
    "lease",
    "tracking",
    "wandb",
    "checkpoint_minutes",
    "time_limit",
    "runs",
    "cache",
    "cache_folder",
)
"""Keys that do not alter what is computed, so a resumed run may change them."""


MOVED = re.compile(r"datasets\.\w+\.(root|masks)")
"""Where a retraining finds its images may change too: it knows its own when it sees them."""


LONGER = ("regime.trials", "regime.retries", "regime.evaluator.timeout")
"""Keys of an ask/tell search that tell when it ends, not what it is."""


SETTLED = ("regime.space", "regime.objective.target", "regime.evaluator.supernet")
"""Keys that a search fills in itself where a card leaves them empty."""


def differences(a: RunConfig, b: RunConfig) -> list[str]:
    """Dotted keys in which two configurations differ, in the order of the schema."""
    left, right = _flat(a.model_dump(mode="json")), _flat(b.model_dump(mode="json"))
    missing = object()
    return [key for key in left | right if left.get(key, missing) != right.get(key, missing)]


def load_resumed_search(folder: Path, arguments: Sequence[str]) -> AnySearch:
    """The configuration of the search in `folder`, of whichever kind it is; see `load_resumed`."""
    content = _saved(folder)
    _require_kind(content, folder, SearchConfig)
    plain: Any = OmegaConf.to_container(content, resolve=False)
    try:
        kind = search_kind(plain)
    except ValueError as error:
        raise ValueError(f"{folder / 'config.yaml'}: {error}") from None
    return load_resumed(folder, arguments, kind)


def load_resumed(folder: Path, arguments: Sequence[str], kind: type[C]) -> C:
    """The configuration of the run in `folder`, with the changeable keys of the arguments.

    Args:
        folder: the run folder.
        arguments: what the command line adds.
        kind: what sort of run it is.

    Raises:
        FileNotFoundError: no run there.
        ValueError: it is a run of another kind, or the arguments ask for something else than was
            saved; lists the keys.
    """
    content = _saved(folder)
    _require_kind(content, folder, kind)
    saved = validated(
        kind,
        OmegaConf.to_container(content, resolve=False),
        lambda key: f"(in {folder / 'config.yaml'})",
    )
    request = parse(arguments, groups(kind))
    wanted = OmegaConf.create(saved.model_dump(mode="json"))
    assert isinstance(wanted, DictConfig)
    require_stages(request, wanted)
    settled = {key: OmegaConf.select(wanted, key) for key in SETTLED}
    for group, card in request.cards.items():
        place(wanted, group, card)
    for key, value in settled.items():
        if value and not OmegaConf.select(wanted, key):
            OmegaConf.update(wanted, key, value, force_add=True)
    config = validated(kind, merge(wanted, request.values, request.origin), request.origin)
    old, new = (_flat(side.model_dump(mode="json")) for side in (saved, config))
    changed = [
        f"{key} ({old.get(key)} -> {new.get(key)})"
        for key in differences(saved, config)
        if key.partition(".")[0] not in CHANGEABLE
        and not MOVED.fullmatch(key)
        and key not in LONGER
    ]
    if changed:
        raise ValueError(
            f"{folder} was made with another configuration; "
            f"these keys differ: {', '.join(changed)}; "
            "leave them out to resume, or start a new run with another name"
        )
    return config


def _saved(folder: Path) -> DictConfig:
    file = folder / "config.yaml"
    if not file.is_file():
        raise FileNotFoundError(
            f"{folder}: no run to resume here (config.yaml is missing); "
            "give the folder of a run, for example --resume runs/<name>"
        )
    return read_yaml(file)


def _require_kind(content: DictConfig, folder: Path, kind: type[RunConfig]) -> None:
    """Says it in one sentence where the schema would list every key as unknown."""
    if "stage" in content:
        raise ValueError(
            f"{folder} is one stage of a run; resume the run: --resume {folder.parent}"
        )
    regime = content.get("regime")
    if not isinstance(regime, DictConfig):
        return
    program = "train.py" if "stages" in regime else "search.py"
    own = "train.py" if "models" in kind.model_fields else "search.py"
    if program != own:
        raise ValueError(
            f"{folder} is a run of {program}, not of {own} (by its config.yaml); "
            f"continue it with `python {program} --resume {folder}`"
        )


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of nested mappings; an empty mapping is a value."""
    if not isinstance(data, dict) or not data:
        return {prefix: data}
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found
