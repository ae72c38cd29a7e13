"""Augmentation of training frames, and the padding of evaluation frames.

Scaling, cropping, padding and flipping are one affine warp that computes only the pixels of the
crop: the same distribution as resizing the whole image first, at a fraction of its cost. Colour is
albumentations'. All randomness comes from the seed of the call, so a sample does not depend on the
worker or rank that draws it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from squeezenas.core.config import Augmentation, Size
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.decode import Label, Pixels

Transform = Callable[[Pixels, Label, int], tuple[Pixels, Label]]
"""`(image (H, W, 3), label, seed) -> (image (h, w, 3), label)`; a mask is cut like its image."""

EvaluationTransform = Callable[[Pixels, Label], tuple[Pixels, Label]]
"""`(image (H, W, 3), label) -> (image (h, w, 3), label)`."""

STRIDE = 32
"""Every network here halves its input five times."""


@dataclass(frozen=True)
class TrainingTransform:
    """Random scale, crop, flip and colour; made by `training_transform`."""

    augmentation: Augmentation
    crop: Size
    fill: tuple[int, int, int]
    ignore_index: int

    def __call__(self, image: Pixels, mask: Pixels, seed: int) -> tuple[Pixels, Pixels]:
        """One augmented sample; the same for the same seed."""
        rng = np.random.default_rng(seed)
        warp = crop_matrix(mask.shape, self.crop, self.augmentation, rng)
        cropped = _warp(image, warp, self.crop, cv2.INTER_LINEAR, self.fill)
        labels = _warp(mask, warp, self.crop, cv2.INTER_NEAREST, (self.ignore_index,))
        if self.augmentation.colour:
            jitter = _colour_jitter(self.augmentation.colour)
            jitter.set_random_seed(int(rng.integers(2**32)))
            cropped = jitter(image=cropped)["image"]
        return cropped, labels


def training_transform(augmentation: Augmentation, crop: Size, card: DatasetCard) -> Transform:
    """The augmentation of a regime: random scale, crop, flip, colour.

    Where the scaled image is smaller than the crop it lies at a random place in it; the rest of the
    image has the mean colour and the rest of the mask `card.ignore_index`.

    Raises:
        ValueError: the scale range is empty, or colour is asked for and albumentations is missing.
    """
    low, high = augmentation.scale
    if not 0 < low <= high:
        raise ValueError(f"augmentation.scale must be [a, b] with 0 < a <= b, got [{low}, {high}]")
    if augmentation.colour:
        _colour_jitter(augmentation.colour)
    return TrainingTransform(augmentation, crop, mean_colour(card), card.ignore_index)


def _warp(
    pixels: Pixels, matrix: NDArray[np.float64], crop: Size, sampling: int, fill: tuple[int, ...]
) -> Pixels:
    warped = cv2.warpAffine(
        pixels,
        matrix,
        (crop[1], crop[0]),
        flags=sampling | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )
    return warped.astype(np.uint8, copy=False)


def crop_matrix(
    size: tuple[int, ...], crop: Size, augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A random affine map `(2, 3)` from pixel centres of the crop to pixel centres of the image."""
    scale = rng.uniform(*augmentation.scale)
    # Along each side the crop starts at `start` in the scaled image; below 0 there is padding.
    spare = [side * scale - length for side, length in zip(size[:2], crop, strict=True)]
    starts = [float(rng.uniform(min(0.0, left), max(0.0, left))) for left in spare]
    if scale == 1.0:
        starts = [float(round(start)) for start in starts]  # keeps unscaled pixels unblurred
    offset_y, offset_x = ((start + 0.5) / scale - 0.5 for start in starts)
    matrix = np.array([[1 / scale, 0.0, offset_x], [0.0, 1 / scale, offset_y]])
    if rng.random() < augmentation.flip:
        matrix[0] = [-matrix[0, 0], 0.0, offset_x + (crop[1] - 1) / scale]
    return matrix


@functools.lru_cache(maxsize=4)
def _colour_jitter(strength: float) -> Any:
    """Jitter of brightness, contrast and saturation by `strength`, of hue by a quarter of it."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        from albumentations import ColorJitter
    except ImportError as error:
        raise ValueError(
            "colour jitter needs albumentations: pip install albumentations==2.0.8, "
            "or set regime.augmentation.colour=0"
        ) from error
    span = (1 - strength, 1 + strength)
    hue = strength / 4
    return ColorJitter(brightness=span, contrast=span, saturation=span, hue=(-hue, hue), p=1.0)


def evaluation_transform(image: Pixels, mask: Pixels, card: DatasetCard) -> tuple[Pixels, Pixels]:
    """The whole frame, padded right and below to sides that are multiples of 32."""
    bottom, right = (-side % STRIDE for side in mask.shape)
    if not bottom and not right:
        return image, mask
    border = (0, bottom, 0, right, cv2.BORDER_CONSTANT)
    padded = cv2.copyMakeBorder(image, *border, value=mean_colour(card))
    labels = cv2.copyMakeBorder(mask, *border, value=card.ignore_index)
    return padded.astype(np.uint8, copy=False), labels.astype(np.uint8, copy=False)


def mean_colour(card: DatasetCard) -> tuple[int, int, int]:
    """The card's mean as RGB bytes: zero to a network that subtracts the mean."""
    red, green, blue = (round(255 * channel) for channel in card.mean)
    return red, green, blue
