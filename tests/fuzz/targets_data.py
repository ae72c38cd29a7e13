"""Data sets: batches, texts, annotations, lists and kept images."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.seal import LENGTH, sealed
from squeezenas.data import cifar
from squeezenas.data.cache import DecodedSamples
from squeezenas.data.cifar import read_classes, read_row
from squeezenas.data.decode import read_frame
from squeezenas.data.frames import Frame, frames, samples
from squeezenas.data.text import read_corpus
from tests.fuzz.target import Target
from tests.fuzz.targets_images import CARD

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3072), np.uint8)


def _card(root: Path, **changes: Any) -> DatasetCard:
    return DatasetCard.model_validate({**CARD.model_dump(), "root": root, **changes})


def _pickles(*contents: object) -> Callable[[], Sequence[bytes]]:
    return lambda: [pickle.dumps(it, protocol) for it in contents for protocol in (0, 2, 4)]


def _cifar(path: Path) -> object:
    cifar._kept_batch.cache_clear()  # the clock is too coarse to tell files of one moment apart
    classes = ("ant", "bee")
    kind = {"task": "classification", "layout": "cifar", "palette": (), "ignore_ids": ()}
    card = _card(path.parent, **kind, classes=classes, splits={"train": [path.name]})
    return read_row(samples(card, "train")[0].image)


def _text(path: Path) -> object:
    kind = {"task": "language", "layout": "text", "classes": (), "palette": (), "ignore_ids": ()}
    return read_corpus(_card(path.parent, **kind, splits={"train": [path.name]}))


def _photographs(folder: Path) -> None:
    (folder / "toy").mkdir()
    for stem in ("one", "two"):
        cv2.imwrite(str(folder / "toy" / f"{stem}.jpg"), np.zeros((8, 10, 3), np.uint8))
    (folder / "toyannot").mkdir()
    for stem in ("one", "two"):
        cv2.imwrite(str(folder / "toyannot" / f"{stem}.png"), np.zeros((8, 10), np.uint8))


def _segments(folder: Path) -> None:
    """Two pictures of segments: 1 beside 2."""
    _photographs(folder)
    (folder / "annotations" / "panoptic_toy").mkdir(parents=True)
    pixels = np.zeros((8, 10, 3), np.uint8)
    pixels[:, :5, 2], pixels[:, 5:, 2] = 1, 2  # OpenCV writes blue, green, red
    for stem in ("one", "two"):
        cv2.imwrite(str(folder / "annotations" / "panoptic_toy" / f"{stem}.png"), pixels)


def _coco(annotations: str) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        classes = ("background", "cat", "dog")[annotations == "panoptic" :]
        card = _card(
            path.parents[1],
            layout="coco",
            annotations=annotations,
            classes=classes,
            palette=[(i, i, i) for i in range(len(classes))],
            splits={"train": ["toy"]},
        )
        return [read_frame(frame, card) for frame in frames(card, "train")]

    return read


def _json(annotations: Sequence[object]) -> Sequence[bytes]:
    names = enumerate(("one", "two"), 1)
    content = {
        "images": [
            {"id": i, "file_name": f"{stem}.jpg", "height": 8, "width": 10} for i, stem in names
        ],
        "annotations": annotations,
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
    }
    return [json.dumps(content).encode()]


@functools.cache
def _instances() -> Sequence[bytes]:
    from pycocotools import mask as run_length

    shape = np.zeros((8, 10), np.uint8, order="F")
    shape[2:5, 7] = 1
    region = run_length.encode(shape)
    segmentations = (
        [[1, 1, 6, 1, 6, 6.5, 1, 6], [0, 0, 1, 1]],
        {"size": [8, 10], "counts": [24, 4, 52]},
        {"size": [8, 10], "counts": region["counts"].decode()},
    )
    return _json(
        [
            {"id": i, "image_id": 1, "category_id": 17 + i % 2, "segmentation": s, "iscrowd": i % 2}
            for i, s in enumerate(segmentations)
        ]
    )


def _panoptic() -> Sequence[bytes]:
    segments = [{"id": 1, "category_id": 17}, {"id": 2, "category_id": 18, "iscrowd": 1}]
    return _json(
        [
            {"image_id": i, "file_name": f"{stem}.png", "segments_info": segments}
            for i, stem in enumerate(("one", "two"), 1)
        ]
    )


def _camvid(path: Path) -> object:
    card = _card(path.parent, layout="camvid", splits={"train": ["toy"]})
    return frames(card, "train")


def _camvid_folder(folder: Path) -> None:
    _photographs(folder)
    for path in (folder / "toy").glob("*.jpg"):
        cv2.imwrite(str(path.with_suffix(".png")), np.zeros((8, 10, 3), np.uint8))


def _cache(folder: Path) -> DecodedSamples:
    stem = folder / "toy" / "one.png"
    frame = Frame(stem, folder / "toyannot" / "one.png", "one")
    return DecodedSamples([frame], _card(folder), "disk", folder / "kept")


def _read_kept(path: Path) -> object:
    """The entry that is kept, with what is given in its place."""
    folder = path.parent
    _ = _cache(folder)[0]
    [entry] = (folder / "kept").iterdir()
    entry.write_bytes(sealed(path.read_bytes()))
    image, mask = _cache(folder)[0]
    assert image.shape == (*mask.shape, 3)  # whoever seals it anew is believed as to its size
    return image.sum() + mask.sum()


def _kept() -> Sequence[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _camvid_folder(folder)
        _ = _cache(folder)[0]
        [entry] = (folder / "kept").iterdir()
        return [entry.read_bytes()[:-LENGTH]]


TARGETS = [
    Target(
        "cifar_batch",
        _cifar,
        _pickles({"data": PIXELS, "labels": [0, 1, 0, 1]}),
        (),
        "data_batch_1",
        covers=("data.pickles",),
    ),
    Target(
        "cifar_names",
        lambda path: read_classes(path.parent),
        _pickles({"label_names": ["ant", "bee"], "num_vis": 3072}),
        (),
        "batches.meta",
    ),
    Target(
        "text",
        _text,
        lambda: [" a b <unk>\n\n b a é\n".encode()],
        ("text",),
        "train.txt",
        covers=("data.text",),
    ),
    Target(
        "coco_instances",
        _coco("instances"),
        _instances,
        ("json", "text"),
        "annotations/instances_toy.json",
        _photographs,
        covers=("data.coco_masks",),
    ),
    Target(
        "coco_panoptic",
        _coco("panoptic"),
        _panoptic,
        ("json", "text"),
        "annotations/panoptic_toy.json",
        _segments,
    ),
    Target(
        "camvid_list",
        _camvid,
        lambda: [b"/SegNet/CamVid/toy/one.png /SegNet/CamVid/toyannot/one.png\ntoy/two.png x\n"],
        ("text",),
        "toy.txt",
        _camvid_folder,
        covers=("data.layouts.camvid",),
    ),
    Target("kept_image", _read_kept, _kept, (), "kept.npy", _camvid_folder),
]
