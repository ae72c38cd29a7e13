"""What the spaces of convolutional cells have in common: a normal and a reduction cell, stacked."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.core.config import Strict
from squeezenas.core.space import SearchSpace
from squeezenas.nn.cell import KINDS, Cell, CellShape, Genotype
from squeezenas.nn.cell_network import CellNetwork, cell_kinds
from squeezenas.nn.operations import SKIP

INPUTS = ("c_{k-2}", "c_{k-1}")


class CellScale(Strict):
    """The sizes of a network of cells."""

    cells: int = Field(8, ge=3, le=1000)
    """Number of cells; those at one and two thirds of the depth halve the maps."""
    channels: int = Field(16, ge=2, le=100_000)
    """Channels of a node of the first cell; each reduction doubles them."""
    stem: Literal["cifar", "imagenet"] = "cifar"
    """cifar: images as large as the first maps; imagenet: eight times as large."""
    auxiliary: bool = False
    """Whether training has a second classifier behind the second reduction."""


class ConvolutionalCells(SearchSpace):
    """A normal and a reduction cell; classification networks repeat them."""

    heads: ClassVar[tuple[str, ...]] = ("classifier",)
    skip: ClassVar[str] = SKIP
    Scale: ClassVar[type[Strict]] = CellScale

    @abstractmethod
    def genotype(self, architecture: Architecture) -> Genotype:
        """Both cells of an architecture."""

    @abstractmethod
    def search_cell(self, shape: CellShape) -> nn.Module:
        """A cell that holds the whole space; `forward(before, previous, path)`."""

    @abstractmethod
    def searched_operation(self, architecture: Architecture, index: int, edge: int) -> str:
        """Where `search_cell` keeps the operation of an edge of the genotype.

        Args:
            architecture: the architecture.
            index: of the cell in the network.
            edge: position in the cell's genotype.
        """

    def supernet(self, classes: int, head: str, memory: str = "full") -> CellNetwork:
        """Cells that hold the whole space, no auxiliary classifier; `forward(images, path)`.

        Raises:
            ValueError: memory is not full.
        """
        if memory != "full":
            raise ValueError(
                f"memory={memory}: {self.name} keeps what the backward pass reads; use memory=full "
                "and a smaller batch"
            )
        scale = self.scale
        return CellNetwork(self.search_cell, scale.cells, scale.channels, scale.stem, classes)

    def network(self, architecture: Architecture, classes: int, head: str) -> CellNetwork:
        """The stand-alone network; `forward(images)`."""
        return self._network(architecture, classes, self.scale.auxiliary, searched=False)

    def inheriting_network(
        self, architecture: Architecture, classes: int, head: str
    ) -> CellNetwork:
        """The stand-alone network with the batch norms of the supernet, for the supernet's weights.

        With `inherit` it computes what the supernet does on the path of the architecture.
        """
        return self._network(architecture, classes, auxiliary=False, searched=True)

    def _network(
        self, architecture: Architecture, classes: int, auxiliary: bool, searched: bool
    ) -> CellNetwork:
        genotype, scale = self.genotype(architecture), self.scale

        def make(shape: CellShape) -> Cell:
            return Cell(genotype.cell(shape.kind), shape, searched)

        return CellNetwork(make, scale.cells, scale.channels, scale.stem, classes, auxiliary)

    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        """Copies the supernet's weights and statistics into an `inheriting_network`, in place."""
        source = supernet.state_dict()
        state = {}
        for name, tensor in network.state_dict().items():
            found = re.fullmatch(r"cells\.(\d+)\.operations\.(\d+)\.(.*)", name)
            if found is None:
                state[name] = self._read_channels(name, source[name], tensor, architecture)
            else:
                index, edge = int(found[1]), int(found[2])
                place = self.searched_operation(architecture, index, edge)
                state[name] = source[f"cells.{index}.{place}.{found[3]}"]
        network.load_state_dict(state)

    def _read_channels(
        self, name: str, weight: Tensor, like: Tensor, architecture: Architecture
    ) -> Tensor:
        """The part of a weight that reads what the cell in front of it gives."""
        if weight.shape == like.shape:
            return weight
        found = re.match(r"cells\.(\d+)\.inputs\.(before|previous)", name)
        cells = self.scale.cells
        reader = int(found[1]) - (found[2] == "before") if found else cells
        concat = self.genotype(architecture).cell(cell_kinds(cells)[reader - 1]).concat
        channels = like.shape[1] // len(concat)
        places = [torch.arange(channels) + (node - 2) * channels for node in concat]
        return weight[:, torch.cat(places).to(weight.device)]

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """Operations as nodes, both cells between one input and one output.

        An operation reads the operations that make up the node it reads; what a cell reads from
        outside is a node too, where something reads it.
        """
        operations, edges = ["input"], []
        outputs = []
        for kind in KINDS:
            pairs, concat = self.genotype(architecture).cell(kind)
            members: list[list[int]] = [[], []]
            for outside in {source for _, source in pairs} & {0, 1}:
                edges.append((0, len(operations)))
                members[outside] = [len(operations)]
                operations.append(f"{kind}:{INPUTS[outside]}")
            for position, (name, source) in enumerate(pairs):
                edges += [(member, len(operations)) for member in members[source]]
                if position % 2 == 0:
                    members.append([])
                members[-1].append(len(operations))
                operations.append(name)
            outputs += [member for node in concat for member in members[node]]
        operations.append("output")
        edges += [(member, len(operations) - 1) for member in outputs]
        adjacency = [[0] * len(operations) for _ in operations]
        for start, end in edges:
            adjacency[start][end] = 1
        return adjacency, operations

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The normal and the reduction cell."""
        graphs = []
        for kind in KINDS:
            pairs, concat = self.genotype(architecture).cell(kind)
            names = [*INPUTS, *(str(node) for node in range(len(pairs) // 2))]
            edges = [
                CellEdge(names[source], names[2 + position // 2], name)
                for position, (name, source) in enumerate(pairs)
            ]
            edges += [CellEdge(names[node], "c_{k}", "") for node in concat]
            graphs.append(CellGraph(kind, INPUTS, tuple(edges), "c_{k}"))
        return graphs
