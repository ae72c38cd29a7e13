"""FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable NAS (arXiv:1812.03443).

22 units with nine candidates each (tables 1 and 2). It differs from the paper in the skip of the
units that change the shape, of which the paper says nothing: a 1x1 convolution, as in
`squeezenas.nn.inverted_residual`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from squeezenas.core.space import spaces
from squeezenas.nn.backbone import Macro
from squeezenas.nn.inverted_residual import SHUFFLED, SKIP
from squeezenas.spaces.unit_chain import UnitChain

OPTIONS = (
    "k3_e1", "k3_e1_g2", "k3_e3", "k3_e6",
    "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6",
    SKIP,
)  # fmt: skip


@spaces.register("fbnet")
class FBNet(UnitChain):
    """Nine candidates in each of 22 units, skips everywhere: 9^22 networks (section 3.1)."""

    name = "fbnet"
    published: ClassVar[Macro] = Macro(
        stem=16,
        blocks=(
            (16, 1, 1),
            (24, 4, 2),
            (32, 4, 2),
            (64, 4, 2),
            (112, 4, 1),
            (184, 4, 2),
            (352, 1, 1),
        ),
        last=1984,
    )
    modules: ClassVar[Mapping[str, str]] = {
        option: option + SHUFFLED for option in OPTIONS if option.endswith("_g2")
    }

    def options(self, c_in: int, c_out: int, stride: int) -> tuple[str, ...]:
        """All nine, whatever the shape."""
        return OPTIONS
