import builtins
import pickle

import cv2
import numpy as np
import pytest

from squeezenas.core.config import Augmentation
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data import transforms
from squeezenas.data.transforms import evaluation_transform, training_transform

RNG = np.random.default_rng(3)
IMAGE = cv2.GaussianBlur(RNG.integers(0, 256, (64, 96, 3), np.uint8), (0, 0), 2)
MASK = RNG.integers(0, 3, (64, 96), np.uint8)
STILL = {"flip": 0.0, "colour": 0.0}


def windows(whole: np.ndarray, height: int, width: int) -> np.ndarray:
    views = np.lib.stride_tricks.sliding_window_view(whole, (height, width), axis=(0, 1))
    return views.reshape(-1, *views.shape[2:])


def test_an_unscaled_crop_is_a_window_of_the_frame(make_card) -> None:
    crop = training_transform(Augmentation(scale=(1, 1), **STILL), (32, 64), make_card())
    expected = windows(MASK, 32, 64)
    places = set()
    for seed in range(12):
        image, mask = crop(IMAGE, MASK, seed)
        (place,) = np.flatnonzero((expected == mask).all((1, 2)))
        places.add(int(place))
        y, x = divmod(int(place), 96 - 64 + 1)
        np.testing.assert_array_equal(image, IMAGE[y : y + 32, x : x + 64])
    assert len(places) > 6


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_scaled_whole_frame_equals_resizing_it(make_card, scale: float) -> None:
    size = (int(64 * scale), int(96 * scale))
    whole = training_transform(Augmentation(scale=(scale, scale), **STILL), size, make_card())
    image, mask = whole(IMAGE, MASK, 0)
    resized = cv2.resize(IMAGE, size[::-1], interpolation=cv2.INTER_LINEAR)
    inner = (slice(1, -1), slice(1, -1))  # at the rim the warp blends with the padding
    assert np.abs(image[inner].astype(int) - resized[inner]).max() <= 2
    if scale == 2.0:
        np.testing.assert_array_equal(mask, MASK.repeat(2, 0).repeat(2, 1))


def test_padding_is_mean_colour_and_ignored_never_class_0(make_card) -> None:
    card: DatasetCard = make_card(mean=[0.5, 0.25, 0.75])
    pad = training_transform(Augmentation(scale=(0.5, 0.5), **STILL), (96, 128), card)
    places = set()
    for seed in range(5):
        image, mask = pad(np.zeros_like(IMAGE), np.zeros_like(MASK), seed)
        assert set(np.unique(mask)) == {0, 255}
        assert (mask == 0).sum() == 32 * 48
        interior = cv2.erode((mask == 255).astype(np.uint8), np.ones((3, 3))) > 0
        assert (image[interior] == (128, 64, 191)).all()
        places.add(tuple(np.argwhere(mask == 0)[0]))
    assert len(places) == 5


def test_a_flip_mirrors_image_and_mask(make_card) -> None:
    mirror = training_transform(Augmentation(scale=(1, 1), flip=1, colour=0), (64, 96), make_card())
    image, mask = mirror(IMAGE, MASK, 0)
    np.testing.assert_array_equal(mask, MASK[:, ::-1])
    np.testing.assert_array_equal(image, IMAGE[:, ::-1])


def test_a_sample_depends_on_its_seed_alone(make_card) -> None:
    augment = training_transform(Augmentation(colour=0.3), (48, 48), make_card())
    first = augment(IMAGE, MASK, 5)
    other = augment(IMAGE, MASK, 6)
    again = pickle.loads(pickle.dumps(augment))(IMAGE, MASK, 5)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()
    assert first[0].dtype == first[1].dtype == np.uint8


def test_colour_changes_the_image_only(make_card) -> None:
    still = training_transform(Augmentation(scale=(1, 1), **STILL), (64, 96), make_card())
    colour = training_transform(
        Augmentation(scale=(1, 1), flip=0, colour=0.4), (64, 96), make_card()
    )
    np.testing.assert_array_equal(still(IMAGE, MASK, 2)[1], colour(IMAGE, MASK, 2)[1])
    assert (still(IMAGE, MASK, 2)[0] != colour(IMAGE, MASK, 2)[0]).mean() > 0.5


def test_without_albumentations_the_way_out_is_named(
    make_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "albumentations":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    transforms._colour_jitter.cache_clear()
    with pytest.raises(ValueError, match=r"albumentations==2\.0\.8.*colour=0"):
        training_transform(Augmentation(), (32, 32), make_card())
    training_transform(Augmentation(colour=0), (32, 32), make_card())


def test_evaluation_pads_to_multiples_of_32(make_card) -> None:
    card = make_card(mean=[0.5, 0.5, 0.5])
    image, mask = evaluation_transform(IMAGE[:50, :70], MASK[:50, :70], card)
    assert image.shape == (64, 96, 3)
    np.testing.assert_array_equal(mask[:50, :70], MASK[:50, :70])
    assert (mask[50:] == 255).all()
    assert (mask[:, 70:] == 255).all()
    assert (image[50:] == 128).all()
    same = evaluation_transform(IMAGE, MASK, card)
    assert same[0] is IMAGE
