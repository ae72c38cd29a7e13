from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from squeezenas.core.config import ImageAugmentation
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import load_dataset
from squeezenas.data.cache import DecodedSamples
from squeezenas.data.check import check_dataset
from squeezenas.data.cifar import read_batch, read_classes
from squeezenas.data.decode import read_image, read_sample
from squeezenas.data.frames import LabelledImage, assert_disjoint, samples, with_classes
from squeezenas.data.image_transforms import image_evaluation_transform, image_transform
from squeezenas.data.loaders import TrainingStream, evaluation_batches

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 3072), np.uint8)
LABELS = [0, 1, 2] * 4


def write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.fixture
def tiny(tmp_path: Path) -> DatasetCard:
    """CIFAR-100 of three classes; protocol 2 is what the official files have."""
    root = tmp_path / "cifar"
    for name in ("train", "test"):
        pixels = PIXELS if name == "train" else 255 - PIXELS
        write(root / name, {"data": pixels, "fine_labels": LABELS, "coarse_labels": [0] * 12})
    write(root / "meta", {"fine_label_names": ["ant", "bee", "cat"], "coarse_label_names": ["all"]})
    return load_dataset(["datasets=cifar100", f"datasets.root={root}"])


def test_rows_are_planes_of_red_green_and_blue(tiny: DatasetCard) -> None:
    card = with_classes(tiny)
    assert card.classes == ("ant", "bee", "cat")
    train, val = samples(card, "train"), samples(card, "val")
    assert_disjoint(train, val)
    assert [sample.stem for sample in train[:2]] == ["train/00000", "train/00001"]
    for row, sample in enumerate(train):
        assert isinstance(sample, LabelledImage)
        image, label = read_sample(sample, card)
        np.testing.assert_array_equal(image, PIXELS[row].reshape(3, 32, 32).transpose(1, 2, 0))
        assert int(label) == LABELS[row]
    assert not image.flags.writeable


def test_what_reads_images_by_their_path_reads_these(tiny: DatasetCard, tmp_path: Path) -> None:
    card = with_classes(tiny)
    train = samples(card, "train")
    kept = DecodedSamples(train, card, "disk", tmp_path / "kept")
    for _ in range(2):  # written, then read
        np.testing.assert_array_equal(kept[5][0], read_image(train[5].image))
    assert len(list((tmp_path / "kept").iterdir())) == 1
    report = check_dataset(card)
    assert report.clean
    assert report.splits["train"].class_frames.tolist() == [4, 4, 4]
    assert dict(report.splits["val"].sizes) == {(32, 32): 12}


def test_a_stream_and_an_evaluation(tiny: DatasetCard) -> None:
    card = with_classes(tiny)
    augment = image_transform(ImageAugmentation(padding=4, colour=0), (32, 32), card)
    batch = next(TrainingStream(samples(card, "train"), card, augment, 8, 0).batches())
    assert (tuple(batch.images.shape), tuple(batch.labels.shape)) == ((8, 3, 32, 32), (8,))
    show = image_evaluation_transform((32, 32))
    [whole] = evaluation_batches(samples(card, "val"), card, 12, transform=show)
    expected = (255 - PIXELS).reshape(12, 3, 32, 32)
    np.testing.assert_array_equal(whole.images.numpy(), expected)


def test_a_changed_batch_is_read_again(tiny: DatasetCard) -> None:
    path = tiny.root / "train"
    read_batch(path)
    write(path, {"data": 255 - PIXELS, "fine_labels": LABELS})
    os.utime(path, ns=(1, 1))
    assert read_batch(path).images[0, 0, 0, 0] == 255 - PIXELS[0, 0]


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Bomb(), r"wants to run (posix|nt)\.system, which no plain data needs"),
        ({"data": Bomb(), "labels": []}, r"wants to run (posix|nt)\.system"),
        ([1, 2], "holds a list, not the dict"),
        ({}, "no batch of CIFAR: .* its keys are none"),
        ({"data": PIXELS, "names": []}, "its keys are 'data', 'names'"),
        ({"data": PIXELS.tolist(), "labels": LABELS}, "needs an array 'data'"),
        (
            {"data": PIXELS[:, 1:], "labels": LABELS},
            r"array \(12, 3071\) of uint8; .* rows of 3072",
        ),
        ({"data": PIXELS[0], "labels": LABELS}, r"array \(3072,\)"),
        ({"data": PIXELS.astype(float), "labels": LABELS}, "of float64"),
        ({"data": PIXELS, "labels": LABELS[1:]}, "12 images and 11 labels"),
        ({"data": PIXELS, "labels": [*LABELS[1:], -1]}, "the label -1"),
        ({"data": PIXELS, "labels": [*LABELS[1:], "cat"]}, "the label 'cat'"),
        ({"data": PIXELS, "labels": [*LABELS[1:], True]}, "the label True"),
    ],
)
def test_what_is_no_batch_is_named(tmp_path: Path, content: object, message: str) -> None:
    write(tmp_path / "data_batch_1", content)
    with pytest.raises(ValueError, match=f"data_batch_1.*{message}"):
        read_batch(tmp_path / "data_batch_1")
    assert not (tmp_path / "exploded").exists()
    assert not Path("exploded").exists()


def test_a_label_of_many_lists_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1"
    content = pickle.dumps({"data": PIXELS[:1], "labels": "HERE"}, 2)
    here, nested = b"X\x04\x00\x00\x00HERE", b"]" * 20_001 + b"a" * 20_000
    assert here in content
    path.write_bytes(content.replace(here, nested))
    with pytest.raises(ValueError, match=r"data_batch_1 has the label \[+\.\.\.\]+; labels count"):
        read_batch(path)


@pytest.mark.parametrize("size", [0, 1, 40, 3000, 30000])
def test_a_truncated_batch_is_named(tiny: DatasetCard, size: int) -> None:
    path = tiny.root / "train"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=rf"train is damaged or truncated \({size} bytes\)"):
        samples(tiny, "train")


@pytest.mark.parametrize("protocol", range(5))
def test_other_protocols_are_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": PIXELS, "labels": LABELS}, protocol))
    batch = read_batch(path)
    assert batch.labels == tuple(LABELS)
    np.testing.assert_array_equal(batch.images[..., 0].reshape(12, -1), PIXELS[:, :1024])


def test_labels_and_files_must_be_those_of_the_card(tiny: DatasetCard) -> None:
    few = tiny.model_copy(update={"classes": ("ant", "bee")})
    with pytest.raises(ValueError, match=r"train: image 2 has the label 2, which is not in 0\.\.1"):
        samples(few, "train")
    many = tiny.model_copy(update={"classes": ("ant", "bee", "cat", "dog")})
    with pytest.raises(ValueError, match=r"no image of 1 of 4 classes, 'dog' the first"):
        samples(many, "train")
    (tiny.root / "test").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"test is missing: unpack https://www\.cs\.toronto"
    ):
        samples(tiny, "val")
    with pytest.raises(ValueError, match=r"train has 12 images and none named 'x'"):
        read_image(tiny.root / "train" / "x")
    with pytest.raises(ValueError, match="none named '00012'"):
        read_image(tiny.root / "train" / "00012")


def test_the_names_of_the_classes(tiny: DatasetCard) -> None:
    write(tiny.root / "meta", {"fine_label_names": "ant"})
    with pytest.raises(ValueError, match="meta has no list of names 'fine_label_names'"):
        with_classes(tiny)
    (tiny.root / "meta").unlink()
    with pytest.raises(FileNotFoundError, match=r"neither batches\.meta nor meta, .*classes"):
        with_classes(tiny)


def test_genuine_batches(shared_data: Path) -> None:
    root = shared_data / "cifar10" / "cifar-10-batches-py"
    card = load_dataset(["datasets=cifar10", f"datasets.root={root}"])
    assert with_classes(card) is card
    assert card.classes == read_classes(root)
    train, val = samples(card, "train"), samples(card, "val")
    assert (len(train), len(val)) == (4000, 1000)
    assert [card.classes[sample.label] for sample in train[:4]] == [
        "frog",
        "truck",
        "truck",
        "deer",
    ]
    assert [sample.label for sample in val[:5]] == [3, 8, 8, 0, 6]
    # Published first pixels of the training and the test images.
    assert read_image(train[0].image)[0, 0].tolist() == [59, 62, 63]
    assert read_image(val[0].image)[0, 0].tolist() == [158, 112, 49]
    pixels = np.stack([read_image(sample.image) for sample in train]) / 255
    np.testing.assert_allclose(pixels.mean((0, 1, 2)), card.mean, atol=0.01)
    np.testing.assert_allclose(pixels.std((0, 1, 2)), card.std, atol=0.01)
