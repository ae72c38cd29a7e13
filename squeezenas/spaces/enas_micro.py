"""ENAS, micro space: Efficient NAS via Parameter Sharing (arXiv:1802.03268, section 2.4).

Five operations, cells of B = 7 nodes, two of which are the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import spaces
from squeezenas.nn.cell import KINDS, CellGenotype, Genotype
from squeezenas.nn.operations import ENAS
from squeezenas.spaces.blocks import BlockCells


@spaces.register("enas_micro")
class ENASMicro(BlockCells):
    """Five operations, two cells of five blocks."""

    name = "enas_micro"
    operations: ClassVar[tuple[str, ...]] = ENAS

    def size(self) -> int:
        """`(5 (B - 2)!)^4`, as the paper counts.

        That has one operation for all positions of a cell and leaves out one of a node's possible
        inputs; the product of all options is far larger.
        """
        return int((len(ENAS) * math.factorial(self.blocks)) ** 4)

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture in the authors' integers: input, operation, input, operation a node.

        Args:
            texts: one text a cell, `["0 2 0 0 0 4 ...", "1 0 1 0 ..."]`, or both in one.

        Raises:
            ValueError: wrong number of integers, or a word that is none or too large; names it.
        """
        words = " ".join(texts).split()
        if len(words) != len(self.choices):
            raise ValueError(
                f"{self.name} has {len(self.choices)} integers, four for each of {self.blocks} "
                f"nodes of two cells, got {len(words)}"
            )
        pairs = []
        for position in range(0, len(words), 2):
            node = 2 + position // 4 % self.blocks
            source = _integer(words, position, node, "nodes before it")
            name = _integer(words, position + 1, len(ENAS), ", ".join(ENAS))
            pairs.append((ENAS[name], source))
        half = len(pairs) // 2
        cells = [CellGenotype(tuple(part), ()) for part in (pairs[:half], pairs[half:])]
        return self.picks(Genotype(*cells))

    def write(self, architecture: Architecture) -> list[str]:
        """One text of integers a cell; the inverse of `read`."""
        genotype = self.genotype(architecture)
        return [
            " ".join(f"{source} {ENAS.index(name)}" for name, source in genotype.cell(kind).edges)
            for kind in KINDS
        ]


def _integer(words: Sequence[str], position: int, count: int, what: str) -> int:
    word = words[position]
    if not (word.isascii() and word.isdecimal() and int(word) < count):
        raise ValueError(
            f"{word!r}, integer {position + 1} of {len(words)}, is not in 0..{count - 1} ({what})"
        )
    return int(word)
