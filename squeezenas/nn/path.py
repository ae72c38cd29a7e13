"""The path through a supernet: how much of each option every choice gives to its output."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from squeezenas.core.architecture import Architecture, Choice


class Path(dict[str, Tensor]):
    """Choice key -> weights, shape `(options, batch)`: one column an image, or one for all.

    Args:
        weights: the weights by choice key.
        picks: when given, the path is *hard*: each choice runs only the option named here and
            scales it by that option's row of the weights (ones in value; a straight-through
            gradient may hang on it).
    """

    def __init__(
        self, weights: Mapping[str, Tensor], picks: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(weights)
        self.picks = dict(picks) if picks is not None else None

    @property
    def hard(self) -> bool:
        """Whether one option of each choice runs."""
        return self.picks is not None

    def detach(self) -> Path:
        """The same path without gradients, for the weight step."""
        return Path({key: weights.detach() for key, weights in self.items()}, self.picks)

    def images(self, share: slice) -> Path:
        """The path of some of the images."""
        return Path(
            {key: row[:, share] if row.shape[1] > 1 else row for key, row in self.items()},
            self.picks,
        )

    @staticmethod
    def of(architecture: Architecture, choices: tuple[Choice, ...], batch: int = 1) -> Path:
        """The hard path that is one architecture."""
        weights, picks = {}, {}
        for choice, pick in zip(choices, architecture.picks, strict=True):
            row = torch.zeros(len(choice.options), batch)
            row[pick] = 1.0
            weights[choice.key], picks[choice.key] = row, pick
        return Path(weights, picks)
