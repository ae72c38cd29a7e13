"""The cell of a search network of blocks: NASNet's and ENAS's (arXiv:1802.03268, section 2.4).

Every node is a block: two earlier nodes are picked, an operation for each, and the results added.
Each operation has weights of its own for every block, position and node it may read, shared by all
architectures that agree in these. The nodes that no block of the cell reads are its output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from squeezenas.nn.cell import CellGenotype, CellInputs, CellShape, Kind
from squeezenas.nn.family import scaled
from squeezenas.nn.operations import operation
from squeezenas.nn.path import Path


def block_keys(kind: Kind, node: int) -> tuple[str, str, str, str]:
    """The keys of a block's choices: two inputs, such as `normal.2.input1`, two operations."""
    block = f"{kind}.{node}"
    return f"{block}.input1", f"{block}.input2", f"{block}.op1", f"{block}.op2"


def block_genotype(
    picks: Mapping[str, int], kind: Kind, operations: Sequence[str], blocks: int, loose: bool
) -> CellGenotype:
    """The cell that these picks are.

    Args:
        picks: option by choice key.
        kind: of the cell.
        operations: options of the operation choices.
        blocks: nodes beside the two inputs.
        loose: whether the output is only the nodes that no block reads, not all.
    """
    edges: list[tuple[str, int]] = []
    for node in range(2, 2 + blocks):
        *sources, first, second = (picks[key] for key in block_keys(kind, node))
        edges += zip((operations[first], operations[second]), sources, strict=True)
    read = {source for _, source in edges} if loose else set()
    return CellGenotype(tuple(edges), tuple(n for n in range(2, 2 + blocks) if n not in read))


class SharedCell(nn.Module):
    """All blocks' operations; `forward(before, previous, path)` runs those of a hard path.

    The output has a place for every block; those of nodes that are no output are zero, so that the
    cells behind it have one shape for all architectures.

    Args:
        shape: what it is built for.
        operations: options of every operation choice.
        blocks: nodes beside the two inputs.
        loose: whether the output is only the nodes that no block reads, not all.

    Attributes:
        operations: by block, position, node read and name.
        width: channels of the output.
    """

    def __init__(
        self, shape: CellShape, operations: Sequence[str], blocks: int, loose: bool
    ) -> None:
        super().__init__()
        self.shape, self.blocks, self.loose = shape, blocks, loose
        self.names = tuple(operations)
        self.width = blocks * shape.channels
        self.inputs = CellInputs(shape, searched=True)
        self.operations = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(self._options(source) for source in range(node)) for _ in range(2)
            )
            for node in range(2, 2 + blocks)
        )

    def _options(self, source: int) -> nn.ModuleDict:
        channels, stride = self.shape.channels, self.shape.stride(source)
        return nn.ModuleDict(
            {name: operation(name, channels, stride, searched=True) for name in self.names}
        )

    def forward(self, before: Tensor, previous: Tensor, path: Path) -> Tensor:
        """Outputs of the two cells before to `(N, width, H / stride, W / stride)`.

        Args:
            before: output of the cell before the previous one.
            previous: output of the previous cell.
            path: a hard one; a term is scaled by the weights of its input and of its operation.

        Raises:
            ValueError: the path is soft.
        """
        if path.picks is None:
            raise ValueError(
                "a cell of blocks runs one option of each choice: take strategy enas or "
                "single_path, or strategy.sampling=hard"
            )
        kind = self.shape.kind
        genotype = block_genotype(path.picks, kind, self.names, self.blocks, self.loose)
        nodes = self.inputs(before, previous)
        for index, block in enumerate(self.operations):
            rows = [path[key][path.picks[key]] for key in block_keys(kind, index + 2)]
            terms = []
            for position in range(2):
                name, source = genotype.edges[2 * index + position]
                options = cast("Any", block)[position][source]
                term = options[name](nodes[source])
                terms.append(scaled(term, rows[position] * rows[position + 2]))
            nodes.append(terms[0] + terms[1])
        nothing = torch.zeros_like(nodes[-1])
        places = range(2, 2 + self.blocks)
        return torch.cat([nodes[p] if p in genotype.concat else nothing for p in places], dim=1)
