"""A space made of the columns of a user's own table: independent choices and no networks."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from pydantic import Field, model_validator
from torch import nn

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.config import Strict
from squeezenas.core.space import SearchSpace, spaces

EXAMPLE = {"depth": ("2", "3", "4"), "width": ("32", "64")}


class TabularScale(Strict):
    """What an architecture is described by."""

    choices: dict[str, tuple[str, ...]] = Field(EXAMPLE, min_length=1)
    """Options of each choice by name; a table's card gives its own."""

    @model_validator(mode="after")
    def _options(self) -> TabularScale:
        for key, options in self.choices.items():
            if not options:
                raise ValueError(f"choices.{key} has no options; list them")
            if repeated := sorted(o for o, count in Counter(options).items() if count > 1):
                raise ValueError(f"choices.{key} has {repeated[0]!r} more than once")
        if max(map(len, self.choices.values())) < 2:
            raise ValueError("every choice has one option; there is nothing to search")
        return self


@spaces.register("tabular")
class Tabular(SearchSpace):
    """Choices by name, such as depth and width; a table says how each architecture did."""

    name = "tabular"
    heads: ClassVar[tuple[str, ...]] = ("classifier",)
    Scale: ClassVar[type[Strict]] = TabularScale

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        self.choices = tuple(Choice(key, options) for key, options in self.scale.choices.items())

    def network(self, architecture: Architecture, classes: int, head: str) -> nn.Module:
        """None: the rows of a table are numbers.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "space tabular has no networks: its architectures are rows of a table; search that "
            "with datasets=<card>, the card of the table"
        )

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """A chain: input, `choice=option` for each choice, output."""
        described = zip(self.choices, self.write(architecture), strict=True)
        decisions = [f"{choice.key}={option}" for choice, option in described]
        operations = ["input", *decisions, "output"]
        size = len(operations)
        return [[int(b == a + 1) for b in range(size)] for a in range(size)], operations
