"""A backbone that tells what is in an image: how it is trained before it learns to segment."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from squeezenas.nn.backbone import Backbone, Macro
from squeezenas.nn.heads import Classifier


class ClassificationNetwork(Backbone):
    """One row of logits an image.

    Args:
        macro: channels and strides.
        units: one module a unit of the macro.
        classes: number of classes.
    """

    def __init__(self, macro: Macro, units: Sequence[nn.Module], classes: int) -> None:
        super().__init__(macro, units)
        self.head = Classifier(macro.deep, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images `(N, 3, H, W)`, sides multiples of 32, to logits `(N, classes)`."""
        deep, _ = self.features(images)
        logits: Tensor = self.head(deep)
        return logits
