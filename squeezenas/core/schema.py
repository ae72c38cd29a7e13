"""What a configuration accepts, as text: every key with its type, default and meaning.

Both the help page and the error messages read it, so they cannot disagree with the schema.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WORDS = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true | false",
    Path: "path",
    type(None): "null",
    Any: "anything",
}
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(frozen=True)
class Key:
    """One leaf of a schema: dotted path, accepted values, default (None: required) and meaning."""

    path: str
    accepts: str
    default: str | None
    meaning: str


def keys(model: type[BaseModel], prefix: str = "", data: Any = None) -> list[Key]:
    """Every key of a model and of the models inside it, in the order they are written.

    Args:
        model: the schema.
        prefix: dotted path of the model within the whole configuration.
        data: a configuration that names the entries of mappings of models; without it a mapping is
            one key.
    """
    found = []
    for name, field in model.model_fields.items():
        path = f"{prefix}.{name}" if prefix else name
        inside = data.get(name) if isinstance(data, dict) else None
        group, entry = _group(field.annotation), _entry(field.annotation)
        if group is not None:
            found += keys(group, path, inside)
        elif entry is not None and isinstance(inside, dict):
            for key, value in inside.items():
                found += keys(entry, f"{path}.{key}", value)
        else:
            meaning = " ".join((field.description or "").split())
            found.append(Key(path, accepts(field), _default(field), meaning))
    return found


def accepts(field: FieldInfo) -> str:
    """What a field accepts, in words: `integer > 0`, `sgd | adam`, `[number, number]`."""
    return _words(field.annotation) + _limits(field.metadata)


def _group(annotation: Any) -> type[BaseModel] | None:
    """The model of a nested group (optional or not), or None for a plain value."""
    for candidate in get_args(annotation) or (annotation,):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            plain = get_origin(annotation) in (None, Union, types.UnionType)
            return candidate if plain else None
    return None


def _entry(annotation: Any) -> type[BaseModel] | None:
    """The model of the values of a mapping, or None for anything else."""
    value = get_args(annotation)[-1] if get_origin(annotation) is dict else None
    return value if isinstance(value, type) and issubclass(value, BaseModel) else None


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    return show(field.get_default(call_default_factory=True))


def show(value: Any) -> str:
    """A value as one would type it on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(show(item) for item in value) + "]"
    return str(value) if str(value) else "''"


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0]) + _limits(arguments[1:])
    if origin is Literal:
        return " | ".join(show(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(_words(argument) for argument in arguments)
    if origin in (list, tuple):
        items = ["..." if argument is Ellipsis else _words(argument) for argument in arguments]
        return "[" + ", ".join(items if origin is tuple else [*items, "..."]) + "]"
    if origin is dict:
        return "{" + ": ".join(_words(argument) for argument in arguments) + "}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "{" + ", ".join(annotation.model_fields) + "}"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _limits(metadata: Iterable[Any]) -> str:
    """The bounds among a field's annotations: ` > 0`, ` >= 0, <= 1`."""
    limits = []
    for note in metadata:
        if isinstance(note, FieldInfo):
            return _limits(note.metadata)
        for name, sign in _SIGNS.items():
            bound = getattr(note, name, None)
            if bound is not None:
                limits.append(f"{sign} {bound:g}")
    return " " + ", ".join(limits) if limits else ""
