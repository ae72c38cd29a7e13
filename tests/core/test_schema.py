from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from squeezenas.core.config import Size, Strict
from squeezenas.core.schema import keys, show
from squeezenas.core.search_config import SearchConfig


class Inner(Strict):
    """A group."""

    lr: float = Field(0.1, gt=0, le=1)
    """How fast."""


class Outer(Strict):
    """One key of every sort."""

    size: Size
    """Height and
    width."""
    inner: Inner = Inner()
    maybe: Inner | None = None
    mode: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ("x", "y")
    table: dict[Annotated[int, Field(ge=0)], int] = Field(default_factory=dict)
    path: Path | None = None
    flag: bool = False
    free: Any = ""


def test_every_leaf_with_type_default_and_meaning():
    found = {key.path: key for key in keys(Outer, "top")}
    assert {path: (key.accepts, key.default) for path, key in found.items()} == {
        "top.size": ("[integer > 0, integer > 0]", None),
        "top.inner.lr": ("number > 0, <= 1", "0.1"),
        "top.maybe.lr": ("number > 0, <= 1", "0.1"),
        "top.mode": ("a | b", "a"),
        "top.names": ("[text, ...]", "[x,y]"),
        "top.table": ("{integer >= 0: integer}", "{}"),
        "top.path": ("path | null", "null"),
        "top.flag": ("true | false", "false"),
        "top.free": ("anything", "''"),
    }
    assert found["top.size"].meaning == "Height and width."


def test_every_key_of_a_search_is_explained():
    unexplained = [key.path for key in keys(SearchConfig) if not key.meaning]
    assert unexplained == []


def test_values_look_as_typed():
    assert show([96, 192]) == "[96,192]"
    assert show({"a": None}) == "{a:null}"
    assert show(True) == "true"
