"""NASNet: Learning Transferable Architectures for Scalable Image Recognition (arXiv:1707.07012).

Thirteen operations, cells of five blocks. AmoebaNet (arXiv:1802.01548) and PNASNet
(arXiv:1712.00559) are found in subsets of it; the cells of the latter give all their nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Strict
from squeezenas.core.space import spaces
from squeezenas.nn.cell import KINDS
from squeezenas.nn.operations import NASNET
from squeezenas.spaces.blocks import BlockCells
from squeezenas.spaces.convolutional_cells import CellScale
from squeezenas.spaces.genotype import read_genotype, write_genotype


class NASNetScale(CellScale):
    """The sizes of a network of cells, and what a cell gives."""

    output: Literal["loose", "all"] = "loose"
    """loose: the nodes that no block of the cell reads (NASNet); all: every node (PNASNet)."""


@spaces.register("nasnet_cell")
class NASNetCell(BlockCells):
    """Thirteen operations, two cells of five blocks."""

    name = "nasnet_cell"
    operations: ClassVar[tuple[str, ...]] = NASNET
    Scale: ClassVar[type[Strict]] = NASNetScale

    @property
    def loose(self) -> bool:
        """Whether a cell gives only the nodes that no block reads, not all of them."""
        return bool(self.scale.output == "loose")

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture of a genotype text in the form of DARTS (see `genotype`).

        Raises:
            ValueError: another form, an unknown operation, or nodes that cannot be; says where.
        """
        genotype = read_genotype(texts, self.operations, self.blocks)
        architecture = self.picks(genotype)
        for kind in KINDS:
            given = genotype.cell(kind).concat
            concat = self.genotype(architecture).cell(kind).concat
            if given != concat:
                raise ValueError(
                    f"{kind}_concat={[*given]}: with scale.output={self.scale.output} this cell "
                    f"gives the nodes {[*concat]}"
                )
        return architecture

    def write(self, architecture: Architecture) -> list[str]:
        """The genotype text; the inverse of `read`."""
        return [write_genotype(self.genotype(architecture))]
