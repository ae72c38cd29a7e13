"""A fitted predictor as one safetensors file: arrays, and what they belong to as text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from squeezenas.core.files import write_atomically
from squeezenas.core.space import SearchSpace
from squeezenas.predictors.predictor import Predictor, make_predictor

FORMAT = "squeezenas predictor 1"


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
        "predictor": name,
        "settings": predictor.config.model_dump(mode="json"),
        "seed": predictor.seed,
        "space": predictor.space.name,
        "choices": [[choice.key, *choice.options] for choice in predictor.space.choices],
        "mean": predictor.mean,
        "deviation": predictor.deviation,
    }
    arrays = {key: np.ascontiguousarray(array) for key, array in predictor.state().items()}
    write_atomically(path, save(arrays, {"format": FORMAT, "about": json.dumps(about)}))


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

    try:
        with safe_open(path, "np") as file:
            notes = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: not a file of a predictor ({error}); fit one anew") from None
    if notes.get("format") != FORMAT:
        raise ValueError(f"{path}: not a file of a predictor; `squeezenas predictor fit` makes one")
    about = json.loads(notes["about"])
    if about["choices"] != [[choice.key, *choice.options] for choice in space.choices]:
        raise ValueError(
            f"{path}: fitted in space {about['space']}, whose choices are not those of "
            f"{space.name}; fit one in this space"
        )
    predictor = make_predictor(about["predictor"], about["settings"], space, about["seed"])
    predictor.mean, predictor.deviation = about["mean"], about["deviation"]
    predictor.load_state(state)
    return predictor
