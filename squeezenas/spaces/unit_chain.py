"""Chains of units: a macro-architecture fixes channels and strides, each unit has a choice.

What SqueezeNAS, FBNet and ProxylessNAS share. Their units are those of `squeezenas.nn.mixed`; they
differ in macro-architecture, candidates and heads.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import ClassVar

from pydantic import Field
from torch import nn

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.config import Strict
from squeezenas.core.space import ChainSpace
from squeezenas.nn.backbone import Backbone, Macro, Unit
from squeezenas.nn.classification_network import ClassificationNetwork
from squeezenas.nn.inverted_residual import SKIP, candidate
from squeezenas.nn.mixed import MixedUnit
from squeezenas.nn.segmentation_network import SegmentationNetwork

FEWEST = 16
"""Channels: with fewer, oneDNN of PyTorch 2.13 writes past its buffers at stride 2."""


class UnitChainScale(Strict):
    """The sizes of a chain."""

    small: bool = False
    """For images of 32x32: the stem and the first stage that halves the map keep its size."""
    width: float = Field(1.0, gt=0, le=100)
    """Channels over those of the paper, rounded to multiples of 8, at least 16."""
    depth: float = Field(1.0, gt=0, le=100)
    """Units of each stage over those of the paper, rounded up."""


class UnitChain(ChainSpace):
    """Inverted residuals and skips in each unit of one macro-architecture."""

    heads: ClassVar[tuple[str, ...]] = ("classifier",)
    Scale: ClassVar[type[Strict]] = UnitChainScale
    published: ClassVar[Macro]
    """The macro-architecture of the paper."""
    modules: ClassVar[Mapping[str, str]] = {}
    """Option -> text of its module, where `squeezenas.nn.inverted_residual` has another word."""

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        self.macro = _scaled(self.published, self.scale)
        self.choices = tuple(
            Choice(f"unit{index:02d}", self.options(*shape))
            for index, shape in enumerate(self.macro.units())
        )

    @abstractmethod
    def options(self, c_in: int, c_out: int, stride: int) -> tuple[str, ...]:
        """The candidates of a unit of this shape."""

    def deepened(self, shallower: UnitChain, architecture: Architecture) -> Architecture:
        """The architecture of this space that repeats the units of one with fewer a stage.

        Units stay in their order and are repeated as evenly as possible, later ones first. Skips
        and others separately: a stage keeps its share of units that compute something.

        Args:
            shallower: a space whose stages have at most as many units.
            architecture: one of its architectures.
        """
        texts, rest = [], shallower.write(architecture)
        for (_, own, _), (_, fewer, _) in zip(
            self.macro.blocks, shallower.macro.blocks, strict=True
        ):
            stage, rest = rest[:fewer], rest[fewer:]
            active = [place for place, text in enumerate(stage) if text != SKIP]
            idle = [place for place, text in enumerate(stage) if text == SKIP]
            computing = -(-len(active) * own // fewer)
            places = sorted([*_repeated(active, computing), *_repeated(idle, own - computing)])
            texts += [stage[place] for place in places]
        return self.read(texts)

    def supernet(self, classes: int, head: str, memory: str = "full") -> Backbone:
        """All candidates of all units; `forward(images, path)`."""
        units = [
            MixedUnit(map(self._module, choice.options), *shape, memory=memory)
            for choice, shape in zip(self.choices, self.macro.units(), strict=True)
        ]
        keys = [choice.key for choice in self.choices]
        return self._with_head(units, classes, head, keys)

    def network(self, architecture: Architecture, classes: int, head: str) -> Backbone:
        """The stand-alone network; `forward(images)`. Only a `classifier` reads no low features."""
        texts = map(self._module, self.write(architecture))
        units = [Unit(text, *shape) for text, shape in zip(texts, self.macro.units(), strict=True)]
        return self._with_head(units, classes, head)

    def _with_head(
        self, units: Sequence[nn.Module], classes: int, head: str, keys: Sequence[str] = ()
    ) -> Backbone:
        if head == "classifier":
            return ClassificationNetwork(self.macro, units, classes, keys)
        return SegmentationNetwork(self.macro, units, classes, head, keys)

    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        """Copies the weights and statistics of the chosen candidates into `network`, in place."""
        state = {}
        for name, tensor in supernet.state_dict().items():
            match = re.fullmatch(r"units\.(\d+)\.candidates\.(\d+)\.(.*)", name)
            if match is None:
                state[name] = tensor
            elif architecture.picks[int(match[1])] == int(match[2]):
                state[f"units.{match[1]}.op.{match[3]}"] = tensor
        network.load_state_dict(state)

    def candidate(self, key: str, option: str) -> nn.Module:
        """A new module of one option of one unit, without the unit's identity."""
        return candidate(self._module(option), *self.macro.units()[self._position(key)])

    def candidate_input(self, key: str, height: int, width: int) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of what the unit reads for an image of this size."""
        position = self._position(key)
        units = self.macro.units()
        strides = [stride for _, _, stride in units[:position]]
        shrink = self.macro.stem_stride * math.prod(strides)
        return units[position][0], -(-height // shrink), -(-width // shrink)

    def _module(self, option: str) -> str:
        return self.modules.get(option, option)

    def _position(self, key: str) -> int:
        return next(i for i, choice in enumerate(self.choices) if choice.key == key)


def _repeated(places: Sequence[int], count: int) -> list[int]:
    """So many of the places, each as often as the others or once more, the last ones first."""
    return [places[(len(places) * (turn + 1) - 1) // count] for turn in range(count)]


def _scaled(macro: Macro, scale: UnitChainScale) -> Macro:
    def channels(number: int) -> int:
        return number if scale.width == 1 else _rounded(number * scale.width)

    blocks = [
        (channels(wide), math.ceil(repeats * scale.depth), stride)
        for wide, repeats, stride in macro.blocks
    ]
    if scale.small:
        first = next(index for index, (_, _, stride) in enumerate(blocks) if stride == 2)
        blocks[first] = (*blocks[first][:2], 1)
    before, after = (list(accumulate(row[1] for row in rows)) for rows in (macro.blocks, blocks))
    return replace(
        macro,
        stem=channels(macro.stem),
        blocks=tuple(blocks),
        first=macro.first and channels(macro.first),
        last=macro.last and channels(macro.last),
        middle=macro.middle and channels(macro.middle),
        # Heads read the last unit of a stage.
        low={head: after[before.index(unit + 1)] - 1 for head, unit in macro.low.items()},
        stem_stride=1 if scale.small else macro.stem_stride,
    )


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not more than 10 % less, as in EfficientNet; at least 16.

    The rule is in the code of MobileNetV2, and that of EfficientNet (arXiv:1905.11946) has it too.
    """
    near = int(channels + 4) // 8 * 8
    return max(FEWEST, near if near >= 0.9 * channels else near + 8)
