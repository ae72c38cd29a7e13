"""PNAS: Progressive Neural Architecture Search (arXiv:1712.00559, section 3).

Eight operations and one cell, of up to B blocks; in a reduction cell the operations on the cell's
inputs have stride 2. All blocks of a cell are its output, as in the authors' PNASNet-5.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.cell_graph import CellGraph
from squeezenas.core.config import Strict
from squeezenas.core.registry import nearest
from squeezenas.core.space import spaces
from squeezenas.nn.cell import CellGenotype, CellShape, Genotype
from squeezenas.nn.operations import SKIP
from squeezenas.nn.path import Path
from squeezenas.nn.shared_cell import SharedCell, block_keys
from squeezenas.spaces.convolutional_cells import CellScale, ConvolutionalCells

PNAS = (
    "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "conv_7x1_1x7",
    SKIP, "avg_pool_3x3", "max_pool_3x3", "dil_conv_3x3",
)  # fmt: skip
NONE = "none"
PARTS = ("input1", "input2", "op1", "op2")
FORM = "`0 sep_conv_3x3 1 skip_connect`, each node read and what is done with it"

Block = tuple[tuple[int, str], tuple[int, str]]


class PNASScale(CellScale):
    """The sizes of a network of cells, and of the space."""

    blocks: int = Field(5, ge=1, le=8)
    """Most blocks of a cell (B)."""


class PNASSearchCell(SharedCell):
    """A cell that holds the whole space; blocks that a path leaves out give zeros."""

    def forward(self, before: Tensor, previous: Tensor, path: Path) -> Tensor:
        """Outputs of the two cells before to `(N, width, H / stride, W / stride)`.

        Raises:
            ValueError: the path is soft.
        """
        kind, rows, picks = self.shape.kind, {}, {}
        present = self.blocks
        if path.picks is not None:
            for block in range(1, 1 + self.blocks):
                for part, key in zip(PARTS, block_keys(kind, block + 1), strict=True):
                    own = f"block{block}.{part}"
                    first = int(part == "input1" and block > 1)  # behind the option `none`
                    rows[key] = path[own][first:]
                    picks[key] = max(path.picks[own] - first, 0)
                    if path.picks[own] < first:
                        present = min(present, block - 1)
        given = present * self.shape.channels
        path = Path(rows, None if path.picks is None else picks)
        output = super().forward(before, previous, path)[:, :given]
        return F.pad(output, (0, 0, 0, 0, 0, self.width - given))


@spaces.register("pnas_cell")
class PNASCell(ConvolutionalCells):
    """Cells of one to B blocks; each adds two operations on earlier nodes.

    The first choice of every block but the first has an option `none`: the cell ends before it.
    All choices behind are then at their first option, so that a cell has one way to be picked.
    """

    name = "pnas_cell"
    soft: ClassVar[bool] = False
    Scale: ClassVar[type[Strict]] = PNASScale

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        choices: list[Choice] = []
        for block in range(1, 1 + self.scale.blocks):
            nodes = tuple(str(source) for source in range(block + 1))
            options = (nodes if block == 1 else (NONE, *nodes), nodes, PNAS, PNAS)
            keys = (f"block{block}.{part}" for part in PARTS)
            choices += map(Choice, keys, options)
        self.choices = tuple(choices)

    def size(self) -> int:
        """Cells of up to B blocks, each block with `((b + 1) * 8)^2` forms (section 3.1).

        Many are the same network: of the 256 cells of one block 136 differ.
        """
        counts = [1]
        for block in range(1, 1 + self.scale.blocks):
            counts.append(counts[-1] * ((block + 1) * len(PNAS)) ** 2)
        return sum(counts[1:])

    def length(self, picks: Sequence[int]) -> int:
        """How many blocks the cell has that these picks begin."""
        ends = (block for block in range(1, -(-len(picks) // 4)) if picks[4 * block] == 0)
        return next(ends, -(-len(picks) // 4))

    def allowed(self, picks: Sequence[int]) -> list[bool]:
        """Which options the next choice may have: behind `none` only the first."""
        options = len(self.choices[len(picks)].options)
        if self.length(picks) < -(-len(picks) // 4):
            return [option == 0 for option in range(options)]
        return [True] * options

    def architecture(self, picks: Sequence[int]) -> Architecture:
        """The architecture with these option indices.

        Raises:
            ValueError: wrong number of picks, an index out of range, or something behind `none`.
        """
        architecture = super().architecture(picks)
        end = 4 * self.length(picks)
        for choice, pick in zip(self.choices[end:], picks[end:], strict=True):
            if pick != 0:
                raise ValueError(
                    f"{choice.key}: the cell ends after block {end // 4}, so this must be "
                    f"{choice.options[0]!r}"
                )
        return architecture

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Node read and operation, twice a block; nodes 0 and 1 are the cell's inputs."""
        found: list[Block] = []
        for start in range(0, 4 * self.length(architecture.picks), 4):
            first, second, *operations = architecture.picks[start : start + 4]
            first -= int(start > 0)
            found.append(((first, PNAS[operations[0]]), (second, PNAS[operations[1]])))
        return found

    def of_blocks(self, blocks: Sequence[Block]) -> Architecture:
        """The architecture of these blocks; the inverse of `blocks`."""
        picks: list[int] = []
        for number, ((first, left), (second, right)) in enumerate(blocks):
            picks += [first + int(number > 0), second, PNAS.index(left), PNAS.index(right)]
        return self.architecture(picks + [0] * (len(self.choices) - len(picks)))

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture of one text a block, `["0 sep_conv_3x3 1 skip_connect", ...]`.

        Raises:
            ValueError: no or too many blocks, or one of another form; says which word.
        """
        most = self.scale.blocks
        if not 1 <= len(texts) <= most:
            raise ValueError(f"{self.name} has 1 to {most} blocks, got {len(texts)}")
        blocks: list[Block] = []
        for number, text in enumerate(texts, 1):
            words = text.split()
            if len(words) != 4:
                raise ValueError(f"block {number}: {text!r} is not of the form {FORM}")
            for word in words[::2]:
                if word not in self.choices[4 * number - 3].options:
                    raise ValueError(f"block {number}: no node {word!r} in 0..{number}")
            for word in words[1::2]:
                if word not in PNAS:
                    hint = nearest(word, list(PNAS))
                    raise ValueError(f"block {number}: unknown operation {word!r}{hint}")
            blocks.append(((int(words[0]), words[1]), (int(words[2]), words[3])))
        return self.of_blocks(blocks)

    def write(self, architecture: Architecture) -> list[str]:
        """One text a block; the inverse of `read`."""
        return [
            " ".join(f"{source} {name}" for source, name in block)
            for block in self.blocks(architecture)
        ]

    def sample(self, rng: random.Random) -> Architecture:
        """A uniformly drawn architecture; nearly all have B blocks."""
        forms = [((block + 1) * len(PNAS)) ** 2 for block in range(1, 1 + self.scale.blocks)]
        index = rng.randrange(self.size())
        blocks, count = 1, forms[0]
        while index >= count:
            index -= count
            count *= forms[blocks]
            blocks += 1
        return self.of_blocks([_random_block(number, rng) for number in range(1, 1 + blocks)])

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """One choice drawn anew; so the last block may go, or a random one be added."""
        picks, length = list(architecture.picks), self.length(architecture.picks)
        position = rng.randrange(4 * length + int(length < self.scale.blocks))
        block, part = divmod(position, 4)
        if block == length:
            return self.of_blocks([*self.blocks(architecture), _random_block(length + 1, rng)])
        inner = part == 0 and 0 < block < length - 1  # the cell cannot end here
        options = range(int(inner), len(self.choices[position].options))
        picks[position] = rng.choice([option for option in options if option != picks[position]])
        if part == 0 and block > 0 and picks[position] == 0:
            picks[position:] = [0] * len(picks[position:])
        return self.architecture(picks)

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """As many blocks as one of the parents; each choice from one that has the block."""
        picks = []
        end = 4 * rng.choice((self.length(a.picks), self.length(b.picks)))
        for position in range(len(self.choices)):
            owners = [p for p in (a.picks, b.picks) if position < 4 * self.length(p)]
            picks.append(rng.choice(owners)[position] if position < end else 0)
        return self.architecture(picks)

    def canonical(self, architecture: Architecture) -> Hashable:
        """Equal for cells that differ in the order of blocks, or of the terms of a block."""
        return _least(dict(enumerate(self.blocks(architecture), 2)), {0: 0, 1: 1})

    def derive(self, scores: Mapping[str, Sequence[float]]) -> Architecture:
        """The highest score of each choice in turn, among the options that are still allowed."""
        picks: list[int] = []
        for choice in self.choices:
            row = scores[choice.key]
            legal = [option for option, fine in enumerate(self.allowed(picks)) if fine]
            picks.append(max(legal, key=row.__getitem__))
        return self.architecture(picks)

    def genotype(self, architecture: Architecture) -> Genotype:
        """The cell, for both kinds."""
        blocks = self.blocks(architecture)
        edges = tuple((name, source) for block in blocks for source, name in block)
        cell = CellGenotype(edges, tuple(range(2, 2 + len(blocks))))
        return Genotype(cell, cell)

    def search_cell(self, shape: CellShape) -> PNASSearchCell:
        """A cell with weights for every block, position, input and operation."""
        return PNASSearchCell(shape, PNAS, self.scale.blocks, loose=False)

    def searched_operation(self, architecture: Architecture, index: int, edge: int) -> str:
        """`operations.<block>.<position>.<node read>.<operation>`."""
        source, name = self.blocks(architecture)[edge // 2][edge % 2]
        return f"operations.{edge // 2}.{edge % 2}.{source}.{name}"

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """Operations as nodes; the cell once."""
        adjacency, operations = super().graph(architecture)
        kept = [*range(len(operations) // 2), len(operations) - 1]
        return [[adjacency[a][b] for b in kept] for a in kept], [operations[a] for a in kept]

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The cell."""
        return [super().cells(architecture)[0]._replace(name="cell")]


def _random_block(number: int, rng: random.Random) -> Block:
    left, right = ((rng.randrange(number + 1), rng.choice(PNAS)) for _ in range(2))
    return left, right


def _least(rest: Mapping[int, Block], names: Mapping[int, int]) -> tuple[Block, ...]:
    """The smallest way to write down a cell: blocks in any legal order, terms sorted.

    Args:
        rest: blocks that are not written down yet, by node.
        names: what the nodes are called that are.
    """
    if not rest:
        return ()
    ready: dict[int, Block] = {}
    for node, block in rest.items():
        if all(source in names for source, _ in block):
            left, right = sorted((names[source], name) for source, name in block)
            ready[node] = (left, right)
    best = min(ready.values())
    ways = (
        _least(
            {other: block for other, block in rest.items() if other != node},
            {**names, node: len(names)},
        )
        for node, block in ready.items()
        if block == best
    )
    return (best, *min(ways))
