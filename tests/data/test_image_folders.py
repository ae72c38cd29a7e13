import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import load_dataset
from squeezenas.data.check import check_dataset, print_report
from squeezenas.data.decode import read_sample
from squeezenas.data.frames import LabelledImage, assert_disjoint, frames, samples, with_classes


def test_folders_are_classes_in_sorted_order(photos: DatasetCard) -> None:
    found = samples(photos, "train")
    assert all(isinstance(sample, LabelledImage) for sample in found)
    assert [(s.stem, s.label) for s in found] == [
        (f"{wnid}/train{index}", label)
        for label, wnid in enumerate(("n01", "n02", "n03"))
        for index in range(2)
    ]
    assert with_classes(photos).classes == ("n01", "n02", "n03")
    assert_disjoint(found, samples(photos, "val"))
    image, label = read_sample(found[-1], photos)
    assert image.dtype == np.uint8
    assert (label.shape, label.dtype, int(label)) == ((), np.int64, 2)


def test_a_card_with_classes_is_left_as_it_is(photos: DatasetCard, tiny: DatasetCard) -> None:
    assert with_classes(tiny) is tiny
    named = photos.model_copy(update={"classes": ("n03", "n02", "n01")})
    assert with_classes(named) is named
    assert {s.stem[:3]: s.label for s in samples(named, "train")} == {"n03": 0, "n02": 1, "n01": 2}


def test_folders_and_classes_must_agree(photos: DatasetCard) -> None:
    few = photos.model_copy(update={"classes": ("n01", "n02")})
    with pytest.raises(ValueError, match=r"1 class folder.* not among the 2 classes .*: n03 is"):
        samples(few, "train")
    many = photos.model_copy(update={"classes": ("n01", "n02", "n03", "n04")})
    with pytest.raises(ValueError, match=r"no image of 1 of 4 classes, 'n04' the first"):
        samples(many, "train")
    (photos.root / "val" / "n03").rename(photos.root / "val" / "n09")
    with pytest.raises(ValueError, match=r"val has 1 class folder.* train split\): n09"):
        samples(photos, "val")
    shutil.rmtree(photos.root / "val" / "n09")
    with pytest.raises(ValueError, match=r"split 'val' .* no image of 1 of 3 classes, 'n03'"):
        samples(photos, "val")


def test_an_empty_class_folder_is_named(photos: DatasetCard) -> None:
    for image in (photos.root / "train" / "n02").iterdir():
        image.rename(image.with_suffix(".txt"))
    with pytest.raises(ValueError, match=r"train/n02 has no image in it; unpack that class again"):
        samples(photos, "train")


def test_a_flat_validation_folder_says_how_to_sort_it(photos: DatasetCard) -> None:
    val = photos.root / "val"
    for number, image in enumerate(sorted(val.rglob("*.JPEG"))):
        image.rename(val / f"{number}.JPEG")
    for folder in [path for path in val.iterdir() if path.is_dir()]:
        folder.rmdir()
    with pytest.raises(ValueError, match=r"val has 3 images in no class folder; sort them: take"):
        samples(photos, "val")


def test_without_data_the_way_to_it_is_named(photos: DatasetCard, tmp_path: Path) -> None:
    gone = photos.model_copy(update={"root": tmp_path / "gone"})
    for ask in (with_classes, lambda card: samples(card, "val")):
        with pytest.raises(FileNotFoundError, match=r"gone: take them, or .*datasets\.root="):
            ask(gone)
    shutil.rmtree(photos.root / "train")
    with pytest.raises(ValueError, match=r"0 class folder\(s\) in .*train"):
        with_classes(photos)


def test_masks_are_not_expected_of_it(photos: DatasetCard) -> None:
    with pytest.raises(ValueError, match=r"photos is a data set for classification .* datasets="):
        frames(photos, "train")


def test_it_can_be_checked(photos: DatasetCard, capsys: pytest.CaptureFixture[str]) -> None:
    report = check_dataset(photos)
    assert report.clean
    assert report.splits["train"].class_frames.tolist() == [2, 2, 2]
    broken = samples(photos, "train")[0].image
    broken.write_bytes(broken.read_bytes()[:300])
    report = check_dataset(photos)
    assert [path for path, _ in report.splits["train"].faults] == [broken]
    print_report(report)
    printed = capsys.readouterr().out
    assert "readable images of a class: 1 (n01) to 2" in printed
    assert "1 fault(s)" in printed
    shutil.rmtree(photos.root)
    assert len(check_dataset(photos).faults) == 1


def test_genuine_images_with_greyscale_ones(shared_data: Path) -> None:
    root = shared_data / "imagenet" / "imagenette"
    card = with_classes(load_dataset(["datasets=imagenet", f"datasets.root={root}"]))
    train, val = samples(card, "train"), samples(card, "val")
    assert (card.num_classes, len(train), len(val)) == (10, 300, 100)
    assert card.classes[0] == "n01440764"
    assert all(s.image.parent.name == card.classes[s.label] for s in train)
    grey = next(s for s in train if Image.open(s.image).mode == "L")
    image, _ = read_sample(grey, card)
    assert image.shape[2] == 3
    np.testing.assert_array_equal(image, np.asarray(Image.open(grey.image).convert("RGB")))
