"""Cross-entropy over hard pixels: online hard example mining (arXiv:1604.03540).

For segmentation as in OCNet and HRNet: pixels whose true class got little probability, and at least
a share of each image. The share is one of an image, not of the batch, so that a batch that is
divided among processes keeps the same pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def hard_pixels(losses: Tensor, labelled: Tensor, threshold: float, kept: float) -> Tensor:
    """Which pixels count.

    Args:
        losses: cross-entropy of every pixel `(N, H, W)`.
        labelled: which of them have a label, `(N, H, W)` bool.
        threshold: pixels with a lower probability of their true class are hard.
        kept: the hardest share of an image's labelled pixels, kept in any case.

    Returns:
        `(N, H, W)` bool.
    """
    flat = losses.detach().masked_fill(~labelled, -1.0).flatten(1)
    ranked = flat.sort(dim=1, descending=True).values
    count = (kept * labelled.flatten(1).sum(1)).ceil().long().clamp(min=1)
    least = ranked.gather(1, (count - 1).unsqueeze(1)).clamp(min=0, max=-math.log(threshold))
    return torch.as_tensor((flat >= least).view_as(labelled) & labelled)
