"""The convolutional space of Neural Architecture Search with Reinforcement Learning
(arXiv:1611.01578, sections 3.3 and 4.1).

Filter height, width and number of each layer, and which earlier layers it reads (the "anchor
points"). The choices are the controller's tokens in its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.cell_graph import CellEdge, CellGraph
from squeezenas.core.config import Depth, Strict
from squeezenas.core.space import SearchSpace, spaces
from squeezenas.nn.nas_chain_network import ConvolutionPlan, NASChainNetwork, loose_layers

SIDES = ("1", "3", "5", "7")
STRIDES = ("1", "2", "3")
FILTERS = ("24", "36", "48", "64")
APART, READ = "0", "1"


class NASChainScale(Strict):
    """The sizes of a chain of convolutions."""

    layers: Depth = 15
    """Layers L; 15 has the network that the paper found without strides and pooling (table 1)."""
    strides: bool = False
    """Whether the strides of each layer, 1 to 3 both ways, are searched too (section 4.1)."""


@spaces.register("nas_chain")
class NASChain(SearchSpace):
    """64 convolutions a layer, 576 with strides, a yes or no for each pair of layers.

    There are 64^L * 2^(L (L - 1) / 2) networks; 5e58 of 15 layers.
    """

    name = "nas_chain"
    heads: ClassVar[tuple[str, ...]] = ("classifier",)
    skip: ClassVar[str] = READ
    Scale: ClassVar[type[Strict]] = NASChainScale

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        convolution: dict[str, tuple[str, ...]] = {"height": SIDES, "width": SIDES}
        if self.scale.strides:
            convolution |= {"stride_height": STRIDES, "stride_width": STRIDES}
        convolution["filters"] = FILTERS
        self._tokens = len(convolution)
        choices = []
        for layer in range(self.scale.layers):
            key = f"layer{layer:02d}"
            choices += [Choice(f"{key}.{name}", options) for name, options in convolution.items()]
            choices += [Choice(f"{key}<{source}", (APART, READ)) for source in range(layer)]
        self.choices = tuple(choices)

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture in the controller's tokens, one text a layer: `["3 3 36", "3 3 48 1"]`.

        Height, width, both strides if they are searched, filters, and one bit for each earlier
        layer. Lines may be broken anywhere.

        Raises:
            ValueError: wrong number of tokens, or one that is no option; names its choice.
        """
        return super().read(" ".join(texts).split())

    def write(self, architecture: Architecture) -> list[str]:
        """One text of tokens a layer; the inverse of `read`."""
        rest = super().write(architecture)
        texts = []
        for layer in range(self.scale.layers):
            texts.append(" ".join(rest[: self._tokens + layer]))
            rest = rest[self._tokens + layer :]
        return texts

    def plans(self, architecture: Architecture) -> list[ConvolutionPlan]:
        """The layers of an architecture."""
        plans = []
        for text in self.write(architecture):
            numbers = [int(word) for word in text.split()]
            height, width, *strides, filters = numbers[: self._tokens]
            bits = numbers[self._tokens :]
            down, right = strides or (1, 1)
            sources = tuple(source for source, bit in enumerate(bits) if bit)
            plans.append(ConvolutionPlan((height, width), (down, right), filters, sources))
        return plans

    def network(self, architecture: Architecture, classes: int, head: str) -> NASChainNetwork:
        """The stand-alone network; `forward(images)`."""
        return NASChainNetwork(self.plans(architecture), classes)

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """The image, a node for each layer, and the classifier."""
        plans = self.plans(architecture)
        operations = ["input", *map(_operation, plans), "output"]
        adjacency = [[0] * len(operations) for _ in operations]
        for layer, plan in enumerate(plans):
            for source in plan.sources or (-1,):
                adjacency[source + 1][layer + 1] = 1
        for layer in loose_layers(plans):
            adjacency[layer + 1][-1] = 1
        return adjacency, operations

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The whole network as one cell; the first edge into a layer shows its convolution."""
        plans, edges = self.plans(architecture), []
        for layer, plan in enumerate(plans):
            first, *others = [str(source) for source in plan.sources] or ["image"]
            edges.append(CellEdge(first, str(layer), _operation(plan)))
            edges += [CellEdge(source, str(layer), "") for source in others]
        edges += [CellEdge(str(layer), "classifier", "") for layer in loose_layers(plans)]
        return [CellGraph("network", ("image",), tuple(edges), "classifier")]


def _operation(plan: ConvolutionPlan) -> str:
    """`7x5_48`, or `7x5_48_s2x1` where a stride is not 1."""
    (height, width), (down, right), filters, _ = plan
    return f"{height}x{width}_{filters}" + (f"_s{down}x{right}" if (down, right) != (1, 1) else "")
