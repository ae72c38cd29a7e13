"""ENAS, macro space: Efficient NAS via Parameter Sharing (arXiv:1802.03268, section 2.3).

A network of L layers; each has one of six operations and may be joined with any earlier layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field
from torch import nn

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.core.config import Strict, Width
from squeezenas.core.space import SearchSpace, spaces
from squeezenas.nn.macro_network import OPERATIONS, LayerPlan, MacroNetwork

APART, JOINED = "apart", "joined"


class MacroScale(Strict):
    """The sizes of a macro network."""

    layers: int = Field(12, ge=3, le=1000)
    """Layers L; the maps are halved after one third and after two thirds of them."""
    channels: Width = 36
    """Channels of the first layers; each halving doubles them."""


@spaces.register("enas_macro")
class ENASMacro(SearchSpace):
    """Six operations a layer, a yes or no for each pair of layers: 6^L * 2^(L (L - 1) / 2)."""

    name = "enas_macro"
    heads: ClassVar[tuple[str, ...]] = ("classifier",)
    skip: ClassVar[str] = "joined"
    Scale: ClassVar[type[Strict]] = MacroScale

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        self._layers = [
            LayerPlan(f"layer{index:02d}", OPERATIONS, tuple(range(index)))
            for index in range(self.scale.layers)
        ]
        choices = []
        for plan in self._layers:
            choices.append(Choice(plan.key, OPERATIONS))
            choices += [Choice(plan.join(source), (APART, JOINED)) for source in plan.sources]
        self.choices = tuple(choices)

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture in the authors' integers: a layer's operation, then one bit a join.

        Lines may be broken anywhere: `["0", "3 0", "0 1 0"]` is `["0 3 0 0 1 0"]`.

        Raises:
            ValueError: wrong number of integers, or a word that is none or too large; names it.
        """
        words = " ".join(texts).split()
        if len(words) != len(self.choices):
            raise ValueError(
                f"{self.name} of {self.scale.layers} layers has {len(self.choices)} integers, got "
                f"{len(words)}; give as many, or change scale.layers"
            )
        for position, (choice, word) in enumerate(zip(self.choices, words, strict=True)):
            if not (word.isascii() and word.isdecimal() and int(word) < len(choice.options)):
                raise ValueError(
                    f"{choice.key}: {word!r}, integer {position + 1} of {len(words)}, is not in "
                    f"0..{len(choice.options) - 1} ({', '.join(choice.options)})"
                )
        return self.architecture([int(word) for word in words])

    def write(self, architecture: Architecture) -> list[str]:
        """One text of integers a layer; the inverse of `read`."""
        texts, start = [], 0
        for layer in range(self.scale.layers):
            end = start + 1 + layer
            texts.append(" ".join(map(str, architecture.picks[start:end])))
            start = end
        return texts

    def supernet(self, classes: int, head: str, memory: str = "full") -> MacroNetwork:
        """All operations of all layers and all joins; `forward(images, path)`.

        Raises:
            ValueError: `memory` is not full: a layer runs one operation, there is little to save.
        """
        if memory != "full":
            raise ValueError(f"{self.name} has no memory={memory}; use regime.memory=full")
        return MacroNetwork(self._layers, self.scale.channels, classes)

    def network(self, architecture: Architecture, classes: int, head: str) -> MacroNetwork:
        """The stand-alone network; `forward(images)`."""
        plans = [
            plan._replace(options=(option,), sources=sources)
            for plan, (option, sources) in zip(
                self._layers, self._decisions(architecture), strict=True
            )
        ]
        return MacroNetwork(plans, self.scale.channels, classes)

    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        """Copies the chosen operations and blocks of the joins into `network`, in place."""
        shared = supernet.state_dict()
        state = {name: shared[name] for name in network.state_dict()}
        for layer, (_, sources) in enumerate(self._decisions(architecture)):
            if layer:
                weight = shared[f"layers.{layer}.join.weight"]
                blocks = weight.unflatten(1, (1 + layer, -1))[:, [0, *(1 + s for s in sources)]]
                state[f"layers.{layer}.join.weight"] = blocks.flatten(1, 2)
        network.load_state_dict(state)

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """A node for each operation, and one for each join: the output of every layer but one."""
        operations, last = ["input"], 0
        edges: list[tuple[int, int]] = []
        outputs: list[int] = []
        for option, sources in self._decisions(architecture):
            operations.append(option)
            edges.append((last, len(operations) - 1))
            if outputs:
                operations.append("join")
                join = len(operations) - 1
                edges += [(node, join) for node in (join - 1, *(outputs[s] for s in sources))]
            last = len(operations) - 1
            outputs.append(last)
        operations.append("output")
        edges.append((last, len(operations) - 1))
        adjacency = [[0] * len(operations) for _ in operations]
        for source, target in edges:
            adjacency[source][target] = 1
        return adjacency, operations

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The whole network as one cell, its joins as edges that only pass on."""
        edges, before = [], "stem"
        for layer, (option, sources) in enumerate(self._decisions(architecture)):
            edges.append(CellEdge(before, str(layer), option))
            edges += [CellEdge(str(source), str(layer), "") for source in sources]
            before = str(layer)
        edges.append(CellEdge(before, "classifier", ""))
        return [CellGraph("network", ("stem",), tuple(edges), "classifier")]

    def _decisions(self, architecture: Architecture) -> list[tuple[str, tuple[int, ...]]]:
        """Each layer's operation and the earlier layers that it is joined with."""
        decisions, position = [], 0
        for layer in range(self.scale.layers):
            bits = architecture.picks[position + 1 : position + 1 + layer]
            sources = tuple(source for source, bit in enumerate(bits) if bit)
            decisions.append((OPERATIONS[architecture.picks[position]], sources))
            position += 1 + layer
        return decisions
