"""The texts of architectures: genotypes and lists of options, of every space."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from squeezenas.cli.predictor import read_architectures
from squeezenas.core.space import SearchSpace, spaces
from tests.fuzz.target import Target


def _lines(path: Path) -> list[str]:
    """A file's lines, whatever is in them, as a card's list of texts would have them."""
    return path.read_bytes().decode("utf-8", "surrogateescape").split("\n")


def _reader(space: SearchSpace) -> Callable[[Path], object]:
    return lambda path: space.write(space.read(_lines(path)))


def _written(space: SearchSpace, between: str) -> Callable[[], Sequence[bytes]]:
    def seeds() -> list[bytes]:
        rng = random.Random(0)
        return [between.join(space.write(space.sample(rng))).encode() for _ in range(4)]

    return seeds


ALL = {
    name: spaces[name]()
    for name in spaces.names()
    if spaces[name].__module__.startswith("squeezenas.")  # other tests register toys
}
TARGETS = [
    *(
        Target(
            f"space_{name}",
            _reader(space),
            _written(space, "\n"),
            ("text",),
            named=False,
            covers=("spaces.genotype",),
        )
        for name, space in ALL.items()
    ),
    *(
        Target(
            f"candidates_{name}",
            lambda path, space=ALL[name]: read_architectures(path, space),
            _written(ALL[name], " "),
            ("text",),
            covers=("cli.predictor",),
        )
        for name in ("darts_cell", "nasbench101", "squeezenas_small")
    ),
]
