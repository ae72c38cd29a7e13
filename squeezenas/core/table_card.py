"""The card of a benchmark table: architectures that others trained, looked up instead of trained.

It stands among the data sets, `datasets=nasbench201`, and says which columns hold what.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from squeezenas.core.config import Inside, Strict


class Column(Strict):
    """Where a number of each architecture stands."""

    column: str
    """Name of the array of a .npz, the column of a .csv, or the key in a .json."""
    index: int | None = Field(None, ge=0)
    """Which entry, where the column has several for each architecture, such as one an epoch."""
    file: Inside = ""
    """File of the table's root that holds it; empty: the table's own. Rows are in the same
    order."""
    divide_by: float = Field(1.0, gt=0)
    """What the numbers are divided by; 100 makes percentages shares."""
    missing: float | None = None
    """A number that means "not measured", beside NaN and empty fields; -1 in some tables."""


class TableFigure(Column):
    """A figure that architectures are ranked by."""

    label: str
    """For people, such as "CIFAR-10 validation accuracy"."""
    higher_is_better: bool = True
    """Which way is up."""
    percent: bool = True
    """Whether it is a share, 0..1 when divided by `divide_by`."""


class TableCost(Column):
    """What an architecture costs."""

    unit: str
    """Unit once divided, such as ms, s or M (millions of parameters)."""


class TableCard(Strict):
    """A benchmark table: where its file lies, what it is a table of, and what was measured."""

    name: str
    """Short name, the stem of the YAML file."""
    title: str
    """Full name, for reports."""
    task: Literal["table"]
    """That it is a table, not images or text."""
    space: str
    """The registered space of its architectures; tabular: a space made of the table's columns."""
    scale: dict[str, Any] = Field(default_factory=dict)
    """Sizes of the space. For tabular `choices`: the columns that describe an architecture and
    the options of each; an empty list means every value that the column holds."""
    root: Path
    """Folder of the files."""
    layout: Literal["nasbench101", "nasbench201", "rows"]
    """How architectures are written: in the arrays of the .npz of a benchmark, or one a row."""
    file: Inside
    """File name: a .npz, and for layout rows also a .csv, or a .json with a list of objects."""
    architecture: str = ""
    """Layout rows: the column with an architecture's text, or its list of option indices. Empty:
    each choice has a column of its name."""
    figures: Annotated[dict[str, TableFigure], Field(min_length=1)]
    """What architectures are ranked by, by name; the first is the default."""
    costs: dict[str, TableCost] = Field(default_factory=dict)
    """What they cost, by name."""
    seconds: str = ""
    """The cost, in seconds, that an evaluation took; empty: it is not known."""
    partial: bool = False
    """Whether architectures that lack a number may be left out; if not, they are an error."""
    licence: str
    """Terms, in one line."""
    source: str = ""
    """Who measured it, and where it was published."""
    how_to_get: str
    """What a user does to have the file."""

    @model_validator(mode="after")
    def _names(self) -> TableCard:
        if both := sorted(set(self.figures) & set(self.costs)):
            raise ValueError(f"{both[0]} is a figure and a cost; name one of them otherwise")
        if self.seconds and self.seconds not in self.costs:
            known = ", ".join(self.costs) or "none"
            raise ValueError(f"seconds is {self.seconds!r}, which is no cost; known: {known}")
        if self.seconds and self.costs[self.seconds].unit != "s":
            raise ValueError(
                f"seconds is {self.seconds!r}, in {self.costs[self.seconds].unit}; take a cost in s"
            )
        return self

    @model_validator(mode="after")
    def _layout(self) -> TableCard:
        if self.layout != "rows" and self.space != self.layout:
            raise ValueError(
                f"layout {self.layout} is for space {self.layout}, not for {self.space}; "
                "other spaces take layout rows"
            )
        if self.layout != "rows" and self.architecture:
            raise ValueError(f"architecture is for layout rows, not for {self.layout}")
        choices = self.scale.get("choices")
        lists = isinstance(choices, dict) and all(isinstance(o, list) for o in choices.values())
        if self.space == "tabular" and not (choices and lists):
            raise ValueError(
                "space tabular needs scale.choices, the columns that describe an architecture and "
                "a list of options for each, such as {depth: [], width: [32, 64]}"
            )
        return self
