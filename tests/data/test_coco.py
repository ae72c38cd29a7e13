import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import load_dataset
from squeezenas.data import coco_masks
from squeezenas.data.check import check_dataset
from squeezenas.data.decode import read_frame
from squeezenas.data.frames import frames

run_length = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SQUARE = [[1, 1, 6, 1, 6, 6, 1, 6]]  # pixels 1..5, 25 of them


def entry(number: int, category: int, segmentation: object, **more: object) -> dict[str, object]:
    return {
        "id": number,
        "image_id": 1,
        "category_id": category,
        "segmentation": segmentation,
        **more,
    }


@pytest.fixture
def toy(tmp_path: Path, make_card) -> DatasetCard:
    """Two images of 8x10; the first has what a test writes, the second nothing."""
    card = make_card(
        layout="coco",
        annotations="instances",
        splits={"train": ["toy"]},
        masks=tmp_path / "masks",
        classes=["background", "cat", "dog"],
    )
    (card.root / "toy").mkdir(parents=True)
    (card.root / "annotations").mkdir()
    for stem in ("one", "two"):
        Image.new("RGB", (10, 8)).save(card.root / "toy" / f"{stem}.jpg")
    return card


def write(card: DatasetCard, *annotations: object, **changes: object) -> Path:
    sizes = {"height": 8, "width": 10}
    content = {
        "images": [
            {"id": number, "file_name": f"{stem}.jpg", **sizes}
            for number, stem in ((1, "one"), (2, "two"))
        ],
        "annotations": annotations,
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
    }
    path = card.root / "annotations" / f"{card.annotations}_toy.json"
    path.write_text(json.dumps(content | changes))
    return path


def masks(card: DatasetCard) -> list[np.ndarray]:
    return [read_frame(frame, card)[1] for frame in frames(card, "train")]


def test_smaller_lie_over_larger_and_crowds_over_all(toy: DatasetCard) -> None:
    crowd = {"size": [8, 10], "counts": [24, 4, 52]}  # column by column: rows 0..3 of column 3
    write(
        toy,
        entry(1, 18, [[2, 2, 4, 2, 4, 4, 2, 4]]),
        entry(2, 17, SQUARE),
        entry(3, 17, crowd, iscrowd=1),
        entry(4, 18, [[0, 0, 1, 1]]),  # two points have no area
    )
    one, two = masks(toy)
    expected = np.zeros((8, 10), int)
    expected[1:6, 1:6] = 1
    expected[2:4, 2:4] = 2
    expected[:4, 3] = 255
    np.testing.assert_array_equal(one, expected)
    assert not two.any(), "an image without annotations is background"


def test_compressed_run_lengths(toy: DatasetCard) -> None:
    shape = np.zeros((8, 10), np.uint8, order="F")
    shape[2:5, 7] = 1
    region = run_length.encode(shape)
    write(toy, entry(1, 17, {**region, "counts": region["counts"].decode()}))
    np.testing.assert_array_equal(masks(toy)[0], shape)


def test_masks_are_drawn_once_and_again_for_another_json(
    toy: DatasetCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    draw = coco_masks.draw_instances

    def watched(image, *rest):
        drawn.append(image["file_name"])
        return draw(image, *rest)

    monkeypatch.setattr(coco_masks, "draw_instances", watched)
    write(toy, entry(1, 17, SQUARE))
    folder = toy.masks / "instances" / "toy"
    assert {path.parent for path in (frame.mask for frame in frames(toy, "train"))} == {folder}
    assert masks(toy)[0].sum() == 25
    assert drawn == ["one.jpg", "two.jpg"]
    (folder / "two.png").unlink()  # as after a kill
    masks(toy)
    assert drawn[2:] == ["two.jpg"]
    write(toy, entry(1, 18, SQUARE))
    assert masks(toy)[0].sum() == 50
    assert drawn[3:] == ["one.jpg", "two.jpg"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "drawn_from.json",
        "one.png",
        "two.png",
    ]


def test_drawing_goes_on_after_a_kill(toy: DatasetCard, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = coco_masks.draw_instances

    def killed(image, *rest):
        if image["file_name"] == "two.jpg":
            raise KeyboardInterrupt
        return draw(image, *rest)

    write(toy, entry(1, 17, SQUARE))
    with monkeypatch.context() as patch:
        patch.setattr(coco_masks, "draw_instances", killed)
        with pytest.raises(KeyboardInterrupt):
            frames(toy, "train")
    one = toy.masks / "instances" / "toy" / "one.png"
    before = one.stat().st_mtime_ns
    assert len(masks(toy)) == 2
    assert one.stat().st_mtime_ns == before


def test_missing_images_are_counted_before_any_drawing(toy: DatasetCard) -> None:
    path = write(toy, entry(1, 17, SQUARE))
    (toy.root / "toy" / "two.jpg").rename(toy.root / "away.jpg")
    message = rf"1 of 2 images of {path} are not in .*toy, two the first; unpack"
    with pytest.raises(ValueError, match=message):
        frames(toy, "train")
    assert not toy.masks.exists()
    (toy.root / "away.jpg").rename(toy.root / "toy" / "two.jpg")
    frames(toy, "train")
    (toy.root / "toy" / "two.jpg").unlink()
    with pytest.raises(ValueError, match=message):
        frames(toy, "train")


@pytest.mark.parametrize(
    ("annotations", "changes", "message"),
    [
        ([entry(5, 19, SQUARE)], {}, "annotation 5 of image 1 has category 19, which is not"),
        ([{"id": 5}], {}, "an annotation is malformed .KeyError: 'category_id'"),
        ([entry(5, 17, None)], {}, "annotations of one.jpg cannot be drawn .TypeError"),
        ([entry(5, 17, {"size": [3, 3], "counts": [9]})], {}, "run lengths of .3, 3. for 8x10"),
        ([entry(5, 17, [[0, 0, 9, 0, 9, 1e9]])], {}, "polygon has corners outside an image of 10"),
        ([entry(5, 17, [[0, 0, 9, 0, 9, float("nan")]])], {}, "is no whole JSON .*NaN"),
        ([entry(5, 17, [[0, 0, 9, 0, 9, "5"]])], {}, "a corner of a polygon is no number"),
        ([entry(5, 17, [[0, 0, 10, 8] * 80_000])], {}, "an outline of 1,600,000 pixels, more than"),
        *(
            ([entry(5, 17, {"size": [8, 10], "counts": counts})], {}, message)
            for counts, message in (
                ([24, 4, 2**32 + 52], "run lengths that do not add up to 8x10 pixels"),
                ([24, -4, 60], "run lengths that do not add up"),
                ([24, 4.0, 52], "run lengths that do not add up"),
                ([80, 80], "run lengths that do not add up"),
                ("P" * 5, "the text of run lengths breaks off"),
                ("P" * 9, "run lengths are no text of COCO's form"),
                ("\u00ff", "ascii"),
                ("0", "run lengths that do not add up"),
            )
        ),
        ([], {"images": None}, "has no list 'images'"),
        ([], {"images": []}, "lists no images"),
        ([], {"images": [{"id": [1], "file_name": "one.jpg"}]}, "id is no whole number or"),
        (
            [entry(5, 17, SQUARE)],
            {"images": [{"id": 1, "file_name": "one.jpg", "height": 10**6, "width": 10**6}]},
            "1000000x1000000 are more than 89,478,485 pixels",
        ),
        ([], {"images": [{"id": 1}]}, "an entry of images lacks id or file_name"),
        (
            [],
            {"categories": [{"id": 1, "name": "cat"}]},
            "has 1 categories and the card 'tiny' 2 classes beside background; the card has 'dog'",
        ),
        (
            [],
            {
                "categories": [
                    {"id": i, "name": name} for i, name in enumerate(["cat", "dog", "eel"])
                ]
            },
            "has 3 categories and the card 'tiny' 2 classes .*; the card lacks 'eel'",
        ),
    ],
)
def test_faults_of_a_json_are_named(
    toy: DatasetCard, annotations: list[object], changes: dict[str, object], message: str
) -> None:
    path = write(toy, *annotations, **changes)
    with pytest.raises(ValueError, match=message) as raised:
        frames(toy, "train")
    assert str(path) in str(raised.value)


def test_a_cut_json_a_missing_one_and_a_folder_that_cannot_be_written(
    toy: DatasetCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(toy, entry(1, 17, SQUARE))
    whole = path.read_text()
    path.write_text(whole[:-9])
    with pytest.raises(ValueError, match=r"instances_toy\.json is no whole JSON"):
        frames(toy, "train")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"instances_toy\.json cannot be read .*draw it"):
        frames(toy, "train")
    path.write_text(whole)
    toy.masks.write_text("a file, not a folder")
    with pytest.raises(OSError, match=r"masks cannot be written .*datasets\.masks=FOLDER"):
        frames(toy, "train")
    toy.masks.unlink()
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(ValueError, match=r"pip install squeezenas\[coco\]"):
        frames(toy, "train")


def test_an_image_of_another_size_than_the_json_says(toy: DatasetCard) -> None:
    write(toy, entry(1, 17, SQUARE))
    Image.new("RGB", (10, 9)).save(toy.root / "toy" / "two.jpg")
    with pytest.raises(ValueError, match=r"instances_toy\.json.*for 8x10 .*two\.jpg is 9x10"):
        frames(toy, "train")
    assert not (toy.masks / "instances" / "toy" / "two.png").exists()


def test_what_takes_long_is_refused_before_it_is_drawn(
    toy: DatasetCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coco_masks, "draw_instances", None)
    large = {"file_name": "one.jpg", "height": 9459, "width": 9459}
    write(toy, entry(1, 17, SQUARE), images=[{"id": 1, **large}])
    with pytest.raises(ValueError, match=r"instances_toy\.json.*for 9459x9459 .*one\.jpg is 8x10"):
        frames(toy, "train")
    monkeypatch.setattr(coco_masks, "MOST_DRAWN", 240)
    write(toy, *(entry(number, 17, SQUARE) for number in range(4)))
    with pytest.raises(
        ValueError, match=r"instances_toy\.json: 4 annotations of one\.jpg, of 8x10"
    ):
        frames(toy, "train")


def test_pictures_that_a_link_leads_to_are_not_taken_for_old_masks(
    toy: DatasetCard, tmp_path: Path
) -> None:
    """A data set that was unpacked may hold links; what they lead to is not the program's."""
    holiday = tmp_path / "holiday"
    holiday.mkdir()
    Image.new("RGB", (8, 8)).save(holiday / "beach.png")
    write(toy, entry(1, 17, SQUARE))
    (toy.masks / "instances").mkdir(parents=True)
    (toy.masks / "instances" / "toy").symlink_to(holiday)
    with pytest.raises(ValueError, match="pictures that are no masks of this program"):
        frames(toy, "train")
    assert [path.name for path in holiday.iterdir()] == ["beach.png"]


def test_classes_in_another_order_are_told(toy: DatasetCard) -> None:
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    write(toy, categories=categories)
    with pytest.raises(ValueError, match="the card has another order than their ids"):
        frames(toy, "train")


@pytest.fixture
def instances(shared_data: Path, tmp_path: Path) -> DatasetCard:
    root = shared_data / "coco"
    return load_dataset(["datasets=coco", f"datasets.root={root}", f"datasets.masks={tmp_path}"])


def test_genuine_instances_have_the_areas_of_pycocotools(instances: DatasetCard) -> None:
    content = json.loads((instances.root / "annotations/instances_train2017.json").read_text())
    images = {Path(image["file_name"]).stem: image for image in content["images"]}
    order = sorted(category["id"] for category in content["categories"])
    found = {frame.stem: frame for frame in frames(instances, "train")}
    assert found.keys() == images.keys()
    from pycocotools.coco import COCO

    reference = COCO()
    reference.dataset = content
    reference.createIndex()
    single = crowds = 0
    for stem, frame in found.items():
        _, mask = read_frame(frame, instances)
        own = reference.imgToAnns[images[stem]["id"]]
        regions = [reference.annToMask(annotation).astype(bool) for annotation in own]
        crowd = np.zeros(mask.shape, bool)
        for annotation, region in zip(own, regions, strict=True):
            if annotation["iscrowd"]:
                crowd |= region
                crowds += 1
        assert (mask == 255).tolist() == crowd.tolist()
        assert ((mask > 0) == np.any(regions, axis=0)).all()
        if len(own) == 1 and not own[0]["iscrowd"]:
            single += 1
            train_id = 1 + order.index(own[0]["category_id"])
            area = run_length.area(reference.annToRLE(own[0]))
            assert (mask == train_id).sum() == area
            assert instances.classes[train_id] == reference.cats[own[0]["category_id"]]["name"]
    assert single >= 2
    assert crowds == 3


def test_genuine_coco_can_be_checked(instances: DatasetCard) -> None:
    report = check_dataset(instances)
    assert report.clean, report.faults
    assert {name: split.frames for name, split in report.splits.items()} == {
        "train": 24,
        "val": 12,
    }


def test_genuine_panoptic_masks_have_the_areas_of_their_segments(
    shared_data: Path, tmp_path: Path
) -> None:
    sample = shared_data / "coco" / "panoptic_sample"
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    (root / "val2017").symlink_to(sample / "input_images")
    (root / "annotations" / "panoptic_val2017").symlink_to(sample / "panoptic_examples")
    shutil.copy(sample / "panoptic_examples.json", root / "annotations/panoptic_val2017.json")
    card = load_dataset(
        ["datasets=coco_panoptic", f"datasets.root={root}", "datasets.splits={val: [val2017]}"]
    )
    content = json.loads((sample / "panoptic_examples.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    colours = {tuple(category["color"]) for category in content["categories"]}
    assert colours == set(card.palette)
    for annotation in content["annotations"]:
        frame = next(f for f in frames(card, "val") if f.stem == Path(annotation["file_name"]).stem)
        _, mask = read_frame(frame, card)
        expected: Counter[str] = Counter()
        for segment in annotation["segments_info"]:
            expected["crowd" if segment["iscrowd"] else names[segment["category_id"]]] += segment[
                "area"
            ]
        crowd = expected.pop("crowd", 0)
        areas = np.bincount(mask.ravel(), minlength=256)
        assert {card.classes[i]: areas[i] for i in range(133) if areas[i]} == dict(expected)
        assert areas[255] == mask.size - sum(expected.values()) >= crowd
    picture = root / "annotations" / "panoptic_val2017.json"
    content["annotations"][0]["segments_info"].pop()
    picture.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"has segment \d+, which the json lacks"):
        frames(card, "val")


def test_genuine_stuff_maps(shared_data: Path, tmp_path: Path) -> None:
    sample = shared_data / "coco" / "stuffthing_sample"
    (tmp_path / "stuffthingmaps").mkdir()
    (tmp_path / "val2017").symlink_to(sample / "val_img")
    (tmp_path / "stuffthingmaps" / "val2017").symlink_to(sample / "val_label")
    card = load_dataset(
        ["datasets=coco_stuff", f"datasets.root={tmp_path}", "datasets.splits={val: [val2017]}"]
    )
    found = frames(card, "val")
    assert len(found) == 8
    for frame in found:
        ids = cv2.imread(str(frame.mask), cv2.IMREAD_UNCHANGED)
        _, mask = read_frame(frame, card)
        things, stuff = ids < 91, (ids >= 91) & (ids < 255)
        np.testing.assert_array_equal(mask[stuff], ids[stuff] - 11)
        assert (mask[things] < 80).all()
        assert ((mask == 255) == (ids == 255)).all()
    named = dict(zip(card.classes, card.label_ids, strict=True))
    assert (named["person"], named["toothbrush"], named["banner"], named["wood"]) == (
        0,
        89,
        91,
        181,
    )
