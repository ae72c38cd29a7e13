"""A backbone that tells what is in an image; a supernet is one whose units take a path."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from squeezenas.nn.backbone import Backbone, Macro
from squeezenas.nn.heads import Classifier
from squeezenas.nn.path import Path


class ClassificationNetwork(Backbone):
    """One row of logits an image.

    Args:
        macro: channels and strides.
        units: one module a unit of the macro; those of a supernet also take weights and a pick.
        classes: number of classes.
        keys: choice keys of the units, for supernets.
    """

    def __init__(
        self, macro: Macro, units: Sequence[nn.Module], classes: int, keys: Sequence[str] = ()
    ) -> None:
        super().__init__(macro, units, keys=keys)
        self.head = Classifier(macro.deep, classes)

    def forward(self, images: Tensor, path: Path | None = None) -> Tensor:
        """Normalised images `(N, 3, H, W)`, sides multiples of 32, to logits `(N, classes)`.

        A supernet needs the path.
        """
        deep, _ = self.features(images, path)
        logits: Tensor = self.head(deep)
        return logits
