"""What images of a classification data set go through, for training and for evaluation.

Training is timm's: a random resized crop, a flip, colour jitter or an augmentation policy
(RandAugment, arXiv:1909.13719; AugMix, arXiv:1912.02781; AutoAugment, arXiv:1805.09501), then
random erasing. timm draws from the global generators; they are seeded for the sample and put back,
so that a sample depends on its seed alone, as everywhere here.

Small images such as those of CIFAR are padded, cut at random and flipped instead, without timm: an
epoch of them would otherwise be spent on seeding generators.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from squeezenas.core.config import ImageAugmentation, Size
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.decode import Label, Pixels
from squeezenas.data.transforms import EvaluationTransform, Transform, mean_colour
from squeezenas.engine.torchvision_import import import_torchvision

CROP_SHARE = 0.875
"""Side of the evaluation crop over the shorter side of the resized image, as published."""

ERASED_AREA = (0.02, 1 / 3)
ERASED_RATIO = (0.3, 1 / 0.3)


@dataclass(frozen=True)
class ImageTransform:
    """The augmentation as bytes in, bytes out; made by `image_transform`."""

    augmentation: ImageAugmentation
    crop: Size
    mean: tuple[float, float, float]
    fill: tuple[int, int, int]

    def __call__(self, image: Pixels, label: Label, seed: int) -> tuple[Pixels, Label]:
        """One augmented sample; the same for the same seed.

        Raises:
            ValueError: the padded image is smaller than the crop.
        """
        steps, rng = self.augmentation, random.Random(seed)
        if steps.padding:
            image = _padded_crop(image, self.crop, steps, rng)
        if _needs_timm(steps):
            augment = _timm(steps, self.crop, self.mean)
            with seeded(seed):
                image = np.array(augment(Image.fromarray(image)), dtype=np.uint8)
                if random.random() < steps.erase:
                    _erase(image, self.fill)
        if steps.cutout:
            _cut_out(image, steps.cutout, self.fill, rng)
        return image, label


def image_transform(augmentation: ImageAugmentation, crop: Size, card: DatasetCard) -> Transform:
    """The augmentation of a classification stage; images stay bytes, `(h, w, 3)`.

    Raises:
        ValueError: timm or torchvision is needed and missing.
    """
    if _needs_timm(augmentation):
        _timm(augmentation, crop, card.mean)
    return ImageTransform(augmentation, crop, card.mean, mean_colour(card))


def _needs_timm(steps: ImageAugmentation) -> bool:
    return bool(not steps.padding or steps.colour or steps.auto_augment or steps.erase)


@functools.lru_cache(maxsize=4)
def _timm(
    augmentation: ImageAugmentation, crop: Size, mean: tuple[float, float, float]
) -> Callable[[Image.Image], Image.Image]:
    try:
        import_torchvision()
        from timm.data import create_transform
    except ImportError as error:
        raise ValueError(
            f"augmentation for classification needs timm ({error}): pip install timm torchvision"
        ) from error
    geometry, colour, _ = create_transform(
        crop,
        is_training=True,
        scale=augmentation.scale,
        ratio=augmentation.ratio,
        hflip=augmentation.flip,
        color_jitter=augmentation.colour,
        auto_augment=augmentation.auto_augment or None,
        interpolation="random",
        mean=mean,
        separate=True,  # the third part, to tensors, belongs to the device
    )

    def both(image: Image.Image) -> Image.Image:
        augmented: Image.Image = colour(image if augmentation.padding else geometry(image))
        return augmented

    return both


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The generators of Python, NumPy and PyTorch (CPU) start from `seed`, then are put back."""
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed % 2**63)  # torch.manual_seed would seed GPUs too
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


def _erase(pixels: Pixels, fill: tuple[int, int, int]) -> None:
    """Paints a random rectangle in the mean colour (arXiv:1708.04896, algorithm 1)."""
    height, width = pixels.shape[:2]
    for _ in range(10):
        area = random.uniform(*ERASED_AREA) * height * width
        ratio = math.exp(random.uniform(*map(math.log, ERASED_RATIO)))
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if tall < height and wide < width:
            top, left = random.randint(0, height - tall), random.randint(0, width - wide)
            pixels[top : top + tall, left : left + wide] = fill
            return


def _padded_crop(image: Pixels, crop: Size, steps: ImageAugmentation, rng: random.Random) -> Pixels:
    """A random window of the image with a black border around it, flipped or not, as a copy.

    The border is black, not of the mean colour: so it is in the published figures of CIFAR.
    """
    reach = steps.padding
    cut: Pixels = np.zeros((*crop, 3), np.uint8)
    inside, target = [], []  # what the window sees of the image, and where that lies in the window
    for side, length in zip(image.shape[:2], crop, strict=True):
        if side + 2 * reach < length:
            raise ValueError(
                f"an image is {image.shape[0]}x{image.shape[1]}, which padding {reach} does not "
                f"bring to the crop {crop[0]}x{crop[1]}; use a smaller crop or no padding"
            )
        start = rng.randint(-reach, side + reach - length)
        first, last = max(start, 0), min(start + length, side)
        inside.append(slice(first, last))
        target.append(slice(first - start, last - start))
    cut[tuple(target)] = image[tuple(inside)]
    return cut[:, ::-1] if rng.random() < steps.flip else cut


def _cut_out(pixels: Pixels, side: int, fill: tuple[int, int, int], rng: random.Random) -> None:
    """Paints a square in the mean colour; its centre lies anywhere in the image.

    So parts of the square may lie outside (arXiv:1708.04552, section 3.2).
    """
    top, left = (rng.randrange(length) - side // 2 for length in pixels.shape[:2])
    pixels[max(top, 0) : top + side, max(left, 0) : left + side] = fill


def image_evaluation_transform(crop: Size) -> EvaluationTransform:
    """Resizes (bicubic) and cuts out the centre.

    The crop is 7/8 of the shorter side of the resized image: 256 pixels for 224, as published
    figures have it. A crop that is not square takes 7/8 along the side that leaves less. An image
    that has the size of the crop is shown as it is, as those of CIFAR are.
    """
    return functools.partial(_centre, crop)


def _centre(crop: Size, image: Pixels, label: Label) -> tuple[Pixels, Label]:
    sides = image.shape[:2]
    if sides == crop:
        return image, label
    wanted = [round(length / CROP_SHARE) for length in crop]
    tight = max((0, 1), key=lambda axis: wanted[axis] / sides[axis])
    height, width = (
        wanted[axis] if axis == tight else int(wanted[tight] * side / sides[tight])
        for axis, side in enumerate(sides)
    )
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    top, left = round((height - crop[0]) / 2), round((width - crop[1]) / 2)
    return np.array(resized)[top : top + crop[0], left : left + crop[1]], label
