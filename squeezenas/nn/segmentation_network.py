"""A backbone with a segmentation head; a supernet is one whose units take a path."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.nn.backbone import Backbone, Macro
from squeezenas.nn.heads import HEADS
from squeezenas.nn.path import Path


class SegmentationNetwork(Backbone):
    """Logits in the size of the image.

    Args:
        macro: channels and strides.
        units: one module a unit of the macro; those of a supernet also take weights and a pick.
        classes: number of classes.
        head: `lr_aspp` or `deeplabv3plus`.
        keys: choice keys of the units, for supernets.
    """

    def __init__(
        self,
        macro: Macro,
        units: Sequence[nn.Module],
        classes: int,
        head: str,
        keys: Sequence[str] = (),
    ) -> None:
        super().__init__(macro, units, macro.low[head], keys)
        c_low = macro.units()[self.low][1]
        self.head = HEADS[head](macro.deep, c_low, macro.middle, classes)

    def forward(self, images: Tensor, path: Path | None = None) -> Tensor:
        """Normalised images `(N, 3, H, W)`, sides multiples of 32, to logits `(N, classes, H, W)`.

        A supernet needs the path.
        """
        logits = self.head(*self.features(images, path))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=True)
