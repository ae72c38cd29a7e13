"""A fitted predictor as one safetensors file: arrays, and what they belong to as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from squeezenas.core.config import Strict
from squeezenas.core.files import write_atomically
from squeezenas.core.reading import parse_json, read_bytes
from squeezenas.core.seal import BLANK, filled, holds
from squeezenas.core.space import SearchSpace
from squeezenas.core.validation import validated
from squeezenas.predictors.predictor import Predictor, make_predictor

FORMAT = "squeezenas predictor 2"
MOST_BYTES = 1 << 28
"""Of a file; a predictor has some hundred thousand weights."""


def save_predictor(path: Path, predictor: Predictor, name: str) -> None:
    """Writes a fitted predictor.

    Args:
        path: the file.
        predictor: has learned something.
        name: what it is registered as.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors.numpy import save

    about = {
        "seal": BLANK,
        "predictor": name,
        "settings": predictor.config.model_dump(mode="json"),
        "seed": predictor.seed,
        "space": predictor.space.name,
        "choices": [[choice.key, *choice.options] for choice in predictor.space.choices],
        "mean": predictor.mean,
        "deviation": predictor.deviation,
    }
    arrays = {key: np.ascontiguousarray(array) for key, array in predictor.state().items()}
    content = save(arrays, {"format": FORMAT, "about": json.dumps(about)})
    write_atomically(path, filled(content))


class About(Strict):
    """What the arrays of a file belong to."""

    seal: str
    """SHA-256 of the file with `BLANK` in its place."""
    predictor: str
    """What it is registered as."""
    settings: dict[str, Any]
    """Its keys."""
    seed: int = Field(ge=0, lt=1 << 64)
    """Of its weights and draws."""
    space: str
    """Where it was fitted, by name."""
    choices: list[list[str]]
    """And by what there is to choose: a key and its options each."""
    mean: float
    """Of the values it learned from."""
    deviation: float = Field(gt=0)
    """Of these too."""


def load_predictor(path: Path, space: SearchSpace) -> Predictor:
    """The predictor in a file of `save_predictor`.

    Args:
        path: the file.
        space: the one it was fitted in.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or one of another space.
    """
    from safetensors import SafetensorError, safe_open

    content = read_bytes(path, MOST_BYTES)
    try:
        with safe_open(path, "np") as file:
            notes = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        # The others are of kinds of numbers that NumPy does not have.
        raise ValueError(f"{path}: not a file of a predictor ({error}); fit one anew") from None
    if notes.get("format") != FORMAT or "about" not in notes:
        raise ValueError(f"{path}: not a file of a predictor; `squeezenas predictor fit` makes one")
    about = validated(About, parse_json(notes["about"], str(path)), lambda key: f"in {path}")
    if not holds(content, about.seal):
        raise ValueError(f"{path}: it is not what its seal says; copy it again, or fit one anew")
    if about.choices != [[choice.key, *choice.options] for choice in space.choices]:
        raise ValueError(
            f"{path}: fitted in space {about.space}, whose choices are not those of "
            f"{space.name}; fit one in this space"
        )
    try:
        predictor = make_predictor(about.predictor, about.settings, space, about.seed)
        predictor.load_state(state)
    except (ValueError, LookupError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{path}: holds no {about.predictor} that fits its settings ({error}); fit one anew"
        ) from error
    predictor.mean, predictor.deviation = about.mean, about.deviation
    return predictor
