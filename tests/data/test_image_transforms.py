import pickle
import random
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy.stats import chisquare

from squeezenas.core.config import ImageAugmentation
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.image_transforms import image_evaluation_transform, image_transform
from squeezenas.engine.torchvision_import import import_torchvision

RNG = np.random.default_rng(5)
IMAGE = cv2.GaussianBlur(RNG.integers(0, 256, (90, 120, 3), np.uint8), (0, 0), 2)
LABEL = np.array(7, np.int64)
WHOLE = {"scale": (1, 1), "ratio": (4 / 3, 4 / 3), "flip": 0.0, "colour": 0.0}
POLICIES = ["", "rand-m9-mstd0.5-inc1", "augmix-m5-w4-d2", "original-mstd0.5", "3a"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_sample_depends_on_its_seed_alone(photos: DatasetCard, policy: str) -> None:
    augment = image_transform(ImageAugmentation(auto_augment=policy, erase=0.5), (48, 64), photos)
    first, label = augment(IMAGE, LABEL, 2**63 + 5)
    torch.rand(3), np.random.rand(3), random.random()
    again, _ = pickle.loads(pickle.dumps(augment))(IMAGE, LABEL, 2**63 + 5)
    assert (first.shape, first.dtype, int(label)) == ((48, 64, 3), np.uint8, 7)
    np.testing.assert_array_equal(first, again)
    others = [augment(IMAGE, LABEL, seed)[0] for seed in range(4)]
    assert len({other.tobytes() for other in others} | {first.tobytes()}) == 5


def test_the_global_generators_are_left_alone(photos: DatasetCard) -> None:
    augment = image_transform(ImageAugmentation(auto_augment="rand-m9"), (32, 32), photos)

    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    def seed() -> None:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)

    seed()
    expected = draws()
    seed()
    augment(IMAGE, LABEL, 3)
    assert draws() == expected


def test_nothing_asked_for_is_a_resize(photos: DatasetCard) -> None:
    still = image_transform(ImageAugmentation(**WHOLE), (45, 60), photos)
    resized = [
        np.asarray(Image.fromarray(IMAGE).resize((60, 45), how))
        for how in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    ]
    for seed in range(4):
        image, _ = still(IMAGE, LABEL, seed)
        assert any((image == expected).all() for expected in resized)


def test_erasing_paints_one_rectangle_in_the_mean_colour(photos: DatasetCard) -> None:
    grey = photos.model_copy(update={"mean": (0.5, 0.25, 0.75)})
    erase = image_transform(ImageAugmentation(**WHOLE, erase=1.0), (90, 120), grey)
    keep = image_transform(ImageAugmentation(**WHOLE), (90, 120), grey)
    shares = []
    for seed in range(20):
        erased, kept = erase(IMAGE, LABEL, seed)[0], keep(IMAGE, LABEL, seed)[0]
        changed = (erased != kept).any(2)
        assert (erased[changed] == (128, 64, 191)).all()
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        box = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.mean() > 0.99, "pixels that had that colour before"
        shares.append(box.size / changed.size)
    assert min(shares) > 0.015
    assert max(shares) < 0.35


SMALL = RNG.integers(1, 256, (32, 32, 3), np.uint8)  # no black pixel
PADDED = {"padding": 4, "colour": 0.0}


def test_padding_gives_every_window_of_the_padded_image_alike(photos: DatasetCard) -> None:
    augment = image_transform(ImageAugmentation(**PADDED), (32, 32), photos)
    bordered = np.pad(SMALL, ((4, 4), (4, 4), (0, 0)))
    windows = {
        bordered[top : top + 32, left : left + 32][:, ::step].tobytes(): (top, left, step)
        for top in range(9)
        for left in range(9)
        for step in (1, -1)
    }
    counts: Counter[tuple[int, int, int]] = Counter()
    for seed in range(8100):
        image, label = augment(SMALL, LABEL, seed)
        assert label is LABEL
        counts[windows[image.tobytes()]] += 1
    assert len(counts) == 162
    chance = chisquare(list(counts.values())).pvalue
    assert chance > 1e-3, "the windows are not drawn alike"


def test_padding_takes_other_crops_and_probabilities(photos: DatasetCard) -> None:
    never = image_transform(ImageAugmentation(**PADDED, flip=0.0), (16, 40), photos)
    bordered = np.pad(SMALL, ((4, 4), (4, 4), (0, 0)))
    windows = [bordered[top : top + 16].tobytes() for top in range(25)]
    found = {windows.index(never(SMALL, LABEL, seed)[0].tobytes()) for seed in range(400)}
    assert found == set(range(25))
    large = image_transform(ImageAugmentation(**PADDED), (64, 64), photos)
    with pytest.raises(ValueError, match=r"32x32, which padding 4 does not bring .* crop 64x64"):
        large(SMALL, LABEL, 0)


def test_padded_images_take_colour_and_erasing_too(photos: DatasetCard) -> None:
    policy = ImageAugmentation(padding=4, flip=0.0, auto_augment="original-mstd0.5", erase=0.5)
    augment = image_transform(policy, (32, 32), photos)
    images = [augment(SMALL, LABEL, seed)[0] for seed in range(8)]
    assert {image.shape for image in images} == {(32, 32, 3)}
    np.testing.assert_array_equal(
        images[3], pickle.loads(pickle.dumps(augment))(SMALL, LABEL, 3)[0]
    )


@pytest.mark.parametrize("more", [PADDED, WHOLE])
def test_cutout_is_a_square_around_a_pixel_of_the_image(
    photos: DatasetCard, more: dict[str, Any]
) -> None:
    grey = photos.model_copy(update={"mean": (0.5, 0.25, 0.75)})
    white = np.full((32, 32, 3), 255, np.uint8)
    augment = image_transform(ImageAugmentation(**more, cutout=16), (32, 32), grey)
    rows: Counter[int] = Counter()
    for seed in range(2000):
        painted = (augment(white, LABEL, seed)[0] == (128, 64, 191)).all(2)
        lines, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
        assert painted.sum() == len(lines) * len(columns)
        assert min(len(lines), len(columns)) >= 8
        assert max(len(lines), len(columns)) <= 16
        rows[len(lines)] += 1
    assert (white == 255).all()
    # Of the 32 rows that the centre may be in, 17 leave the square whole.
    assert rows[16] / 2000 == pytest.approx(17 / 32, abs=0.05)
    assert min(rows) == 8


def test_an_image_in_the_size_of_the_crop_is_shown_as_it_is() -> None:
    shown, label = image_evaluation_transform((32, 32))(SMALL, LABEL)
    assert shown is SMALL
    assert label is LABEL


@pytest.mark.parametrize("side", [32, 64, 100])
@pytest.mark.parametrize("size", [(90, 120), (121, 77), (80, 80)])
def test_evaluation_equals_torchvision(side: int, size: tuple[int, int]) -> None:
    import_torchvision()
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    image = cv2.resize(IMAGE, size[::-1])
    published = Compose([Resize(round(side / 0.875), InterpolationMode.BICUBIC), CenterCrop(side)])
    shown, label = image_evaluation_transform((side, side))(image, LABEL)
    np.testing.assert_array_equal(shown, np.asarray(published(Image.fromarray(image))))
    assert label is LABEL


def test_an_oblong_evaluation_crop_is_filled(photos: DatasetCard) -> None:
    for size in ((90, 120), (121, 77), (30, 300)):
        shown, _ = image_evaluation_transform((32, 96))(np.full((*size, 3), 255, np.uint8), LABEL)
        assert shown.shape == (32, 96, 3)
        assert (shown == 255).all()


@pytest.mark.parametrize(
    "change",
    [
        {"auto_augment": "rand-foo"},
        {"auto_augment": "ran-m9"},
        {"auto_augment": "rand-m9.5"},
        {"auto_augment": "augmix-q3"},
        {"scale": (0.5, 0.2)},
        {"scale": (0.5, 1.5)},
        {"ratio": (0, 1)},
        {"padding": -1},
        {"cutout": -1},
    ],
)
def test_slips_are_told_before_any_work(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ImageAugmentation.model_validate(change)


def test_every_policy_that_is_let_through_is_one_of_timm(photos: DatasetCard) -> None:
    """timm skips without a word what it does not know: then nothing would change."""
    plain = image_transform(ImageAugmentation(**WHOLE), (45, 60), photos)
    more = ["rand-p0.5-n3-mmax15", "augmix-a1.0-b1-mstd2", "v0r", "originalr"]
    for policy in (*filter(None, POLICIES), *more):
        changed = image_transform(ImageAugmentation(**WHOLE, auto_augment=policy), (45, 60), photos)
        pairs = [
            (plain(IMAGE, LABEL, seed)[0], changed(IMAGE, LABEL, seed)[0]) for seed in range(8)
        ]
        assert {image.shape for pair in pairs for image in pair} == {(45, 60, 3)}
        assert any((before != after).any() for before, after in pairs), policy


def test_real_images(shared_data: Path, photos: DatasetCard) -> None:
    path = next((shared_data / "imagenet" / "imagenette" / "train").rglob("*.JPEG"))
    image = np.asarray(Image.open(path).convert("RGB"))
    augmented, _ = image_transform(ImageAugmentation(), (64, 64), photos)(image, LABEL, 0)
    assert augmented.shape == (64, 64, 3)
    assert 20 < augmented.std() < 120
