"""SqueezeNAS: Fast Neural Architecture Search for Faster Semantic Segmentation (arXiv:1908.01748).

A row of 20 to 22 units with 13 candidates each; the macro-architecture fixes channels and strides.
"""

from __future__ import annotations

import math
import re
from typing import ClassVar

from torch import nn

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.config import Strict
from squeezenas.core.space import ChainSpace, spaces
from squeezenas.nn.backbone import Backbone, Macro, Unit
from squeezenas.nn.classification_network import ClassificationNetwork
from squeezenas.nn.inverted_residual import SKIP, candidate
from squeezenas.nn.mixed import MixedUnit
from squeezenas.nn.segmentation_network import SegmentationNetwork

OPTIONS = (
    "k3_e1_g1", "k3_e1_g2", "k3_e3_g1", "k3_e6_g1",
    "k5_e1_g1", "k5_e1_g2", "k5_e3_g1", "k5_e6_g1",
    "k3_e1_g1_d2", "k3_e1_g2_d2", "k3_e3_g1_d2", "k3_e6_g1_d2",
    SKIP,
)  # fmt: skip

SMALL = Macro(
    stem=16,
    blocks=((16, 4, 2), (24, 4, 2), (40, 4, 2), (48, 4, 1), (96, 4, 1)),
    last=256,
    low={"lr_aspp": 7, "deeplabv3plus": 3},
    middle=128,
)
LARGE = Macro(
    stem=16,
    blocks=((16, 1, 1), (24, 4, 2), (32, 4, 2), (64, 4, 2), (96, 4, 1), (160, 4, 1), (160, 1, 1)),
    last=None,
    low={"lr_aspp": 8, "deeplabv3plus": 4},
    middle=128,
)
XLARGE = Macro(
    stem=48,
    blocks=((24, 1, 1), (32, 4, 2), (48, 4, 2), (96, 4, 2), (144, 4, 1), (240, 4, 1), (320, 1, 1)),
    last=None,
    low={"lr_aspp": 8, "deeplabv3plus": 4},
    middle=160,
)


class SqueezeNASSpace(ChainSpace):
    """Thirteen candidates in each unit of one macro-architecture."""

    heads: ClassVar[tuple[str, ...]] = ("lr_aspp", "deeplabv3plus", "classifier")
    macro: ClassVar[Macro]

    def __init__(self, scale: Strict | None = None) -> None:
        super().__init__(scale)
        self.choices = tuple(
            Choice(f"unit{index:02d}", OPTIONS) for index in range(len(self.macro.units()))
        )

    def supernet(self, classes: int, head: str, memory: str = "full") -> SegmentationNetwork:
        """All candidates of all units; `forward(images, path)`."""
        units = [MixedUnit(OPTIONS, *shape, memory=memory) for shape in self.macro.units()]
        keys = [choice.key for choice in self.choices]
        return SegmentationNetwork(self.macro, units, classes, head, keys)

    def network(self, architecture: Architecture, classes: int, head: str) -> Backbone:
        """The stand-alone network; `forward(images)`. Only a `classifier` reads no low features."""
        texts = self.write(architecture)
        units = [Unit(text, *shape) for text, shape in zip(texts, self.macro.units(), strict=True)]
        if head == "classifier":
            return ClassificationNetwork(self.macro, units, classes)
        return SegmentationNetwork(self.macro, units, classes, head)

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
        return candidate(option, *self.macro.units()[self._position(key)])

    def candidate_input(self, key: str, height: int, width: int) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of what the unit reads for an image of this size."""
        position = self._position(key)
        units = self.macro.units()
        shrink = 2 * math.prod(stride for _, _, stride in units[:position])
        return units[position][0], -(-height // shrink), -(-width // shrink)

    def _position(self, key: str) -> int:
        return next(i for i, choice in enumerate(self.choices) if choice.key == key)


@spaces.register("squeezenas_small")
class SqueezeNASSmall(SqueezeNASSpace):
    """20 units, 16 to 96 channels: mac_small and lat_small."""

    name = "squeezenas_small"
    macro = SMALL


@spaces.register("squeezenas_large")
class SqueezeNASLarge(SqueezeNASSpace):
    """22 units, 16 to 160 channels: mac_large and lat_large."""

    name = "squeezenas_large"
    macro = LARGE


@spaces.register("squeezenas_xlarge")
class SqueezeNASXLarge(SqueezeNASSpace):
    """22 units, 24 to 320 channels: mac_xlarge and lat_xlarge."""

    name = "squeezenas_xlarge"
    macro = XLARGE
