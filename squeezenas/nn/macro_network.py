"""The macro space of ENAS (arXiv:1802.03268, section 2.3) as one network for search and training.

Each layer applies an operation to the output of the layer before it. What comes out is joined with
the outputs of earlier layers: side by side, then through a 1x1 convolution. Such a convolution is a
sum over its inputs, so in the supernet every pair of layers has a block of its weight, and a path
takes the blocks it needs. After one and after two thirds of the layers the maps are halved and the
channels doubled.

It differs from the paper in the joining convolution, which the paper's shared weights replace by a
sum: here a network inherits from the supernet exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.batch_norm import BatchNorm2d, conv_bn_relu
from squeezenas.nn.family import scaled
from squeezenas.nn.heads import Classifier
from squeezenas.nn.inverted_residual import Halve
from squeezenas.nn.path import Path

OPERATIONS = (
    "conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3",
)  # fmt: skip
"""In the order of the authors' integers."""


class LayerPlan(NamedTuple):
    """What a layer of a network has.

    Args:
        key: choice key of its operation.
        options: its operations; one in a stand-alone network.
        sources: the earlier layers that it may be joined with; is, in a stand-alone network.
    """

    key: str
    options: tuple[str, ...]
    sources: tuple[int, ...]

    def join(self, source: int) -> str:
        """Choice key of the join with an earlier layer."""
        return f"{self.key}<{source}"


def operation(option: str, channels: int) -> nn.Sequential:
    """A 1x1 convolution, batch norm and ReLU, then the operation; `(N, C, H, W)` to the same shape.

    Raises:
        ValueError: unknown operation.
    """
    if option not in OPERATIONS:
        raise ValueError(f"{option!r} is no operation; known: {', '.join(OPERATIONS)}")
    kernel = int(option[-1])
    before = conv_bn_relu(channels, channels, 1)
    if option.endswith("pool_3x3"):
        pool = nn.AvgPool2d if option.startswith("avg") else nn.MaxPool2d
        return nn.Sequential(*before, pool(kernel, 1, kernel // 2))

    def conv(size: int, groups: int) -> nn.Conv2d:
        return nn.Conv2d(channels, channels, size, padding=size // 2, groups=groups, bias=False)

    separable = option.startswith("sep")
    spatial = [conv(kernel, channels), conv(1, 1)] if separable else [conv(kernel, 1)]
    return nn.Sequential(*before, *spatial, BatchNorm2d(channels))


class MacroLayer(nn.Module):
    """One operation of several, and what joins its output with those of earlier layers.

    Args:
        plan: its operations and sources.
        channels: channels of everything it reads and gives.
        first: whether there is no layer before it, so that nothing is joined.
    """

    def __init__(self, plan: LayerPlan, channels: int, first: bool) -> None:
        super().__init__()
        self.plan, self.first = plan, first
        self.operations = nn.ModuleDict({o: operation(o, channels) for o in plan.options})
        if not first:
            blocks = channels * (1 + len(plan.sources))
            self.join = nn.Conv2d(blocks, channels, 1, bias=False)
            self.norm = BatchNorm2d(channels)

    def sources(self, path: Path | None) -> tuple[int, ...]:
        """The earlier layers that it is joined with."""
        if path is None or path.picks is None:
            return self.plan.sources
        return tuple(s for s in self.plan.sources if path.picks[self.plan.join(s)])

    def forward(self, x: Tensor, earlier: Sequence[Tensor], path: Path | None) -> Tensor:
        """The joined output, `(N, C, H, W)`.

        Args:
            x: output of the layer before, `(N, C, H, W)`.
            earlier: the outputs of `sources(path)`, each `(N, C, H, W)`.
            path: weights of operations and joins; a stand-alone network needs none.
        """
        y = self._operated(x, path)
        if self.first:
            return y
        sources = self.sources(path)
        parts = [y]
        for source, part in zip(sources, earlier, strict=True):
            row = None if path is None else path[self.plan.join(source)][1]
            parts.append(part if row is None else scaled(part, row))
        wide = y.shape[1]
        blocks = [0, *(1 + self.plan.sources.index(source) for source in sources)]
        weight = self.join.weight
        if len(blocks) <= len(self.plan.sources):
            weight = weight.unflatten(1, (-1, wide))[:, blocks].flatten(1, 2)
        joined: Tensor = self.norm(F.conv2d(torch.relu(torch.cat(parts, dim=1)), weight))
        return joined

    def _operated(self, x: Tensor, path: Path | None) -> Tensor:
        modules = list(self.operations.values())
        if path is None:
            only: Tensor = modules[0](x)
            return only
        rows, key = path[self.plan.key], self.plan.key
        if path.picks is not None:
            return scaled(modules[path.picks[key]](x), rows[path.picks[key]])
        terms = [scaled(module(x), row) for module, row in zip(modules, rows, strict=True)]
        return torch.stack(terms).sum(0)


class MacroNetwork(nn.Module):
    """A stem, layers joined with each other, and a classifier.

    Args:
        plans: one a layer.
        channels: channels in front of the first reduction.
        classes: number of classes.
    """

    def __init__(self, plans: Sequence[LayerPlan], channels: int, classes: int) -> None:
        super().__init__()
        third = len(plans) // 3
        self.reduced_after = (third - 1, 2 * third - 1)
        stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, BatchNorm2d(channels))
        self.layers = nn.ModuleList()
        self.reductions = nn.ModuleDict()
        for index, plan in enumerate(plans):
            self.layers.append(MacroLayer(plan, channels, first=index == 0))
            if index in self.reduced_after:
                for source in sorted(_read_behind(index, [later.sources for later in plans])):
                    halve = Halve(channels, 2 * channels)
                    self.reductions[f"{index}_{source}"] = halve
                channels *= 2
        self.head = Classifier(channels, classes)

    def forward(self, images: Tensor, path: Path | None = None) -> Tensor:
        """Normalised images `(N, 3, H, W)`, sides multiples of 4, to logits `(N, classes)`.

        A supernet needs the path.
        """
        layers = cast("list[MacroLayer]", list(self.layers))
        wanted = [layer.sources(path) for layer in layers]
        outputs: dict[int, Tensor] = {}
        x = self.stem(images)
        for index, layer in enumerate(layers):
            outputs[index] = x = layer(x, [outputs[source] for source in wanted[index]], path)
            if index in self.reduced_after:
                outputs = {
                    source: self.reductions[f"{index}_{source}"](outputs[source])
                    for source in _read_behind(index, wanted)
                }
                x = outputs[index]
        logits: Tensor = self.head(x)
        return logits


def _read_behind(index: int, sources: Sequence[tuple[int, ...]]) -> set[int]:
    """The layers up to `index` that some layer behind it reads; its successor reads it always."""
    return {s for row in sources[index + 1 :] for s in row if s <= index} | {index}
