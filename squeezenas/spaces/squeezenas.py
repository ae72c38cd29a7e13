"""SqueezeNAS: Fast Neural Architecture Search for Faster Semantic Segmentation (arXiv:1908.01748).

A row of 20 to 22 units with 13 candidates each; the macro-architecture fixes channels and strides.
"""

from __future__ import annotations

from typing import ClassVar

from squeezenas.core.space import spaces
from squeezenas.nn.backbone import Macro
from squeezenas.nn.inverted_residual import SKIP
from squeezenas.spaces.unit_chain import UnitChain

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


class SqueezeNASSpace(UnitChain):
    """Thirteen candidates in each unit of one macro-architecture."""

    heads: ClassVar[tuple[str, ...]] = ("lr_aspp", "deeplabv3plus", "classifier")

    def options(self, c_in: int, c_out: int, stride: int) -> tuple[str, ...]:
        """All thirteen, whatever the shape."""
        return OPTIONS


@spaces.register("squeezenas_small")
class SqueezeNASSmall(SqueezeNASSpace):
    """20 units, 16 to 96 channels: mac_small and lat_small."""

    name = "squeezenas_small"
    published = SMALL


@spaces.register("squeezenas_large")
class SqueezeNASLarge(SqueezeNASSpace):
    """22 units, 16 to 160 channels: mac_large and lat_large."""

    name = "squeezenas_large"
    published = LARGE


@spaces.register("squeezenas_xlarge")
class SqueezeNASXLarge(SqueezeNASSpace):
    """22 units, 24 to 320 channels: mac_xlarge and lat_xlarge."""

    name = "squeezenas_xlarge"
    published = XLARGE
