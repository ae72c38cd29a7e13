"""Named things found by module name: `@register("x")` in `<package>/x.py` is all it takes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from typing import Generic, TypeVar

T = TypeVar("T")


def nearest(name: str, known: list[str]) -> str:
    """A half sentence that points at the closest known name: ` (did you mean 'x'?)`, or nothing."""
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    return f" (did you mean {close[0]!r}?)" if close else ""


class Registry(Generic[T]):
    """Maps names to objects; imports every module of `package` on the first look-up.

    Args:
        kind: what is registered, for messages ("space", "strategy").
        package: dotted name of the package whose modules register themselves.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an object under `name`.

        Raises:
            ValueError: the name is taken.
        """

        def file_under(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return file_under

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._discover()
        return sorted(self._entries)

    def __getitem__(self, name: str) -> T:
        """The entry filed under `name`.

        Raises:
            ValueError: nothing of that name; names the nearest one.
        """
        self._discover()
        if name not in self._entries:
            known = self.names()
            raise ValueError(
                f"unknown {self.kind} {name!r}{nearest(name, known)}; known: {', '.join(known)}"
            )
        return self._entries[name]
