"""The command grammar: `group=name` picks a card, `a.b.c=value` overrides one value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from squeezenas.core.validation import Origin

_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+|\[\d+\])*")


@dataclass(frozen=True)
class Request:
    """What the arguments ask for: a card by group, and values by dotted key (the last one wins)."""

    cards: dict[str, str]
    values: dict[str, Any]

    def origin(self, key: str) -> str:
        """A remark if this key, one above it or one below it was given; else nothing."""
        bare = key.partition("[")[0]
        for given in self.values:
            if f"{bare}.".startswith(f"{given}.") or given.startswith(f"{bare}."):
                return "(on the command line)"
        return ""


def parse(arguments: Sequence[str], groups: Sequence[str]) -> Request:
    """Sorts arguments into cards of the known groups and overrides.

    Raises:
        ValueError: an argument is not `key=value`, or its value is not YAML.
    """
    cards: dict[str, str] = {}
    values: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise ValueError(
                f"{argument!r} is not understood: write group=card or key=value, without spaces"
            )
        if key in groups:
            if not text:
                raise ValueError(f"{key}=: name a card, or leave the argument out")
            cards[key] = text
        elif key == "regime":
            raise ValueError(f"{argument}: a regime is picked with training_regimes={text}")
        elif key in ("datasets", "models", "training_regimes"):
            raise ValueError(f"{argument}: not read by this command; it takes {', '.join(groups)}")
        else:
            values[key] = _value(argument, text)
    return Request(cards, values)


def _value(argument: str, text: str) -> Any:
    try:
        # OmegaConf reads YAML with numbers as people write them: 1e-3 is one.
        parsed = OmegaConf.from_dotlist([f"value={text}"])
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(f"{argument}: the value is not valid YAML ({problem})") from None
    plain = OmegaConf.to_container(parsed, resolve=False)
    return plain["value"] if isinstance(plain, dict) else plain


def merge(config: DictConfig, values: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """The configuration with values laid over it, every interpolation resolved.

    Args:
        config: the cards, each under its section.
        values: full key -> value.
        origin: where a key's value was written, for the message.

    Raises:
        ValueError: a key leads through a plain value, or an interpolation cannot be resolved (an
            environment variable that is not set).
    """
    for key, value in values.items():
        try:
            OmegaConf.update(config, key, value, merge=True, force_add=True)
        except (OmegaConfBaseException, TypeError, IndexError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{key}: cannot be set here ({reason})") from None
    try:
        resolved = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].rpartition("interpolation: ")[2].strip('"')
        key = str(error.full_key)
        said = f"{key}: {reason}; set it, or override the key {origin(key)}"
        raise ValueError(said.rstrip()) from None
    return {str(key): value for key, value in dict(resolved).items()}  # type: ignore[arg-type]
