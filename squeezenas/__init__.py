"""Neural architecture search for semantic segmentation that people can really run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from squeezenas.zoo.create import create_model
    from squeezenas.zoo.hub import SqueezeNASModel
    from squeezenas.zoo.timm_models import register_timm

__version__ = "0.1.0"
__all__ = ["SqueezeNASModel", "create_model", "register_timm"]

_PLACES = {
    "create_model": "squeezenas.zoo.create",
    "SqueezeNASModel": "squeezenas.zoo.hub",
    "register_timm": "squeezenas.zoo.timm_models",
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for: the package itself starts without torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
