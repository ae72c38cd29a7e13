"""ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware (arXiv:1812.00332).

22 units: a fixed depthwise separable convolution and 21 choices among inverted residuals of kernel
3, 5 or 7 and expansion 3 or 6 (section 4.2), with the channels of the published mobile network. It
differs from the paper in the activation, a ReLU in place of ReLU6.
"""

from __future__ import annotations

from typing import ClassVar

from squeezenas.core.space import spaces
from squeezenas.nn.backbone import Macro
from squeezenas.nn.inverted_residual import SKIP
from squeezenas.spaces.unit_chain import UnitChain

OPTIONS = ("k3_e3", "k3_e6", "k5_e3", "k5_e6", "k7_e3", "k7_e6")


@spaces.register("proxylessnas")
class ProxylessNAS(UnitChain):
    """Six candidates a unit, and the skip where the unit keeps the shape: 6^6 * 7^15 networks."""

    name = "proxylessnas"
    published: ClassVar[Macro] = Macro(
        stem=32,
        first=16,
        blocks=((32, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1)),
        last=1280,
    )

    def options(self, c_in: int, c_out: int, stride: int) -> tuple[str, ...]:
        """The inverted residuals; and the skip, if the unit can be left out."""
        return (*OPTIONS, SKIP) if stride == 1 and c_in == c_out else OPTIONS
