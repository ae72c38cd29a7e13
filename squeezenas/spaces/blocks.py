"""What the spaces of block-built cells have in common: NASNet's and ENAS's.

A node picks two earlier nodes and an operation for each; all choices are independent.
"""

from __future__ import annotations

from typing import ClassVar

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.config import Strict
from squeezenas.nn.cell import KINDS, CellShape, Genotype
from squeezenas.nn.cell_network import cell_kinds
from squeezenas.nn.shared_cell import SharedCell, block_genotype, block_keys
from squeezenas.spaces.convolutional_cells import ConvolutionalCells


class BlockCells(ConvolutionalCells):
    """Five blocks of two inputs and two operations, in each of two cells."""

    soft: ClassVar[bool] = False
    operations: ClassVar[tuple[str, ...]]
    blocks: ClassVar[int] = 5

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        choices: list[Choice] = []
        for kind in KINDS:
            for node in range(2, 2 + self.blocks):
                nodes = tuple(str(source) for source in range(node))
                options = (nodes, nodes, self.operations, self.operations)
                choices += map(Choice, block_keys(kind, node), options)
        self.choices = tuple(choices)

    @property
    def loose(self) -> bool:
        """Whether a cell gives only the nodes that no block reads, not all of them."""
        return True

    def genotype(self, architecture: Architecture) -> Genotype:
        """Both cells of an architecture."""
        keys = (choice.key for choice in self.choices)
        picks = dict(zip(keys, architecture.picks, strict=True))
        return Genotype(
            *(
                block_genotype(picks, kind, self.operations, self.blocks, self.loose)
                for kind in KINDS
            )
        )

    def picks(self, genotype: Genotype) -> Architecture:
        """The architecture with these edges; what its cells give follows from them."""
        picks: list[int] = []
        for kind in KINDS:
            pairs = genotype.cell(kind).edges
            for first, second in zip(pairs[::2], pairs[1::2], strict=True):
                picks += [first[1], second[1]]
                picks += [self.operations.index(name) for name, _ in (first, second)]
        return self.architecture(picks)

    def search_cell(self, shape: CellShape) -> SharedCell:
        """A cell with weights for every block, position, input and operation."""
        return SharedCell(shape, self.operations, self.blocks, self.loose)

    def searched_operation(self, architecture: Architecture, index: int, edge: int) -> str:
        """`operations.<block>.<position>.<node read>.<operation>`."""
        kind = cell_kinds(self.scale.cells)[index]
        name, source = self.genotype(architecture).cell(kind).edges[edge]
        return f"operations.{edge // 2}.{edge % 2}.{source}.{name}"
