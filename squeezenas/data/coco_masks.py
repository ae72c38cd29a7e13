"""Masks of train ids from COCO's annotations: drawn once, read as PNG ever after.

They are in `<masks>/<annotations>/<name>/<stem>.png`. A file beside them says which json they were
drawn from: another one draws them anew, and drawing that was stopped goes on where it stopped.
"""

from __future__ import annotations

import json
import reprlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.files import write_atomically
from squeezenas.core.reading import read_json
from squeezenas.data.coco_drawing import draw_instances, draw_panoptic, require_pycocotools, size_of
from squeezenas.data.image_files import image_size

MOST_BYTES = 1 << 31
"""Of a json; that of the instances of train2017 has 470 million, its parsed form ten times that."""

MOST_DRAWN = 1 << 34
"""Pixels of an image times its annotations, each of which is drawn over all of it: some minutes.
COCO's own images have 0.4 million pixels and at most some hundred annotations."""

SUFFIXES = (".jpg", ".jpeg", ".png")

VERSION = 1
"""Raised whenever the same json gives other masks."""

Json = dict[str, Any]


def images_in(folder: Path) -> dict[str, Path]:
    """Stem -> image, of the images in a folder that may not be there."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.stem: path for path in files if path.suffix.lower() in SUFFIXES}


def semantic_masks(card: DatasetCard, name: str) -> Path:
    """The folder with one mask for each image of `<annotations>_<name>.json`; draws missing ones.

    Train ids follow the order of the categories' ids; for instances, 0 is background.

    Raises:
        FileNotFoundError: the json is not there.
        OSError: the masks cannot be written.
        ValueError: the json is damaged, its categories are not the card's classes, images that it
            lists are not there or of another size, or pycocotools is missing.
    """
    source = card.root / "annotations" / f"{card.annotations}_{name}.json"
    folder = (card.masks or card.root / "semantic") / card.annotations / name
    stamp, origin = folder / "drawn_from.json", _origin(source, card)
    known = _known(stamp)
    drawn = {path.stem for path in folder.glob("*.png")} if known.get("origin") == origin else set()
    paths = images_in(card.root / name)
    if drawn and len(drawn) == known.get("images"):
        _require_images(drawn, paths, card.root / name, source)
        return folder
    content = _read(source)
    train_ids = _train_ids(content, card, source)
    images = {Path(image["file_name"]).stem: image for image in content["images"]}
    if not images:
        raise ValueError(f"{source} lists no images; is it the file of annotations?")
    _require_images(images, paths, card.root / name, source)
    annotations = _by_image(content, train_ids, source)
    if card.annotations == "instances":
        require_pycocotools()
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not drawn:
            # In this order: masks of another json never lie beside the new stamp.
            for old in _drawn_before(folder, stamp):
                old.unlink()
            write_atomically(stamp, json.dumps({"origin": origin, "images": len(images)}) + "\n")
    missing = sorted(images.keys() - drawn)
    for stem in tqdm(missing, desc=f"drawing {name}", unit="mask", leave=False, disable=None):
        image = images[stem]
        own = annotations[image["id"]]
        if card.annotations == "instances":
            _require_drawable(image, own, paths[stem], source)
        with _drawing(image, source):
            if card.annotations == "instances":
                pixels = draw_instances(image, own, train_ids)
            else:
                pixels = draw_panoptic(source.with_suffix(""), own, train_ids)
        _require_same_size(pixels.shape, paths[stem], source)
        with _writing(folder):
            write_atomically(folder / f"{stem}.png", cv2.imencode(".png", pixels)[1].tobytes())
    return folder


def _require_drawable(image: Json, own: list[Json], path: Path, source: Path) -> None:
    """Refuses what takes long before it is drawn.

    Raises:
        OSError, ValueError: the image cannot be read, is of another size, or has annotations
            without end.
    """
    with _drawing(image, source):
        height, width = size_of(image)
    _require_same_size((height, width), path, source)
    if height * width * len(own) > MOST_DRAWN:
        raise ValueError(
            f"{source}: {len(own):,} annotations of {path.name}, of {height}x{width} pixels, are "
            "more than can be drawn; leave some out, or scale image and annotations down"
        )


@contextmanager
def _drawing(image: Json, source: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError, OSError, ValueError) as error:
        raise ValueError(
            f"{source}: the annotations of {image['file_name']} cannot be drawn "
            f"({type(error).__name__}: {error}); correct them or leave the image out"
        ) from error


def _require_same_size(size: tuple[int, ...], path: Path, source: Path) -> None:
    """Raises: OSError, ValueError: the image cannot be read, or is of another size."""
    height, width = image_size(path)
    if size != (height, width):
        raise ValueError(
            f"{source}: the annotations of {path.name} are for {size[0]}x{size[1]} "
            f"pixels, but {path} is {height}x{width} (height x width); get image and annotations "
            "from the same place"
        )


def _origin(source: Path, card: DatasetCard) -> Json:
    """What masks depend on; the json itself, half a gigabyte, is not read for it."""
    try:
        status = source.stat()
    except OSError as error:
        raise FileNotFoundError(
            f"{source} cannot be read ({error.strerror}): {card.how_to_get.rstrip('.')}, "
            "or give the folder with datasets.root=FOLDER"
        ) from error
    return {
        "version": VERSION,
        "json": source.name,
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "classes": list(card.classes),
    }


def _known(stamp: Path) -> Json:
    try:
        known = read_json(stamp)
    except (OSError, ValueError):  # not there, or not ours
        return {}
    return known if isinstance(known, dict) else {}


def _drawn_before(folder: Path, stamp: Path) -> list[Path]:
    """The masks in a folder, which only a stamp tells from pictures that a link leads to."""
    old = list(folder.glob("*.png"))
    if old and not stamp.exists():
        raise ValueError(
            f"{folder} has pictures that are no masks of this program, and masks would take their "
            "place; give another folder with datasets.masks=FOLDER"
        )
    return old


def _read(source: Path) -> Json:
    try:
        content = read_json(source, MOST_BYTES)
    except ValueError as error:
        raise ValueError(f"{source} is no whole JSON ({error}); get the file again") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(f"{source} has no list {key!r}; is it the file of annotations?")
    for key, name in (("images", "file_name"), ("categories", "name")):
        for entry in content[key]:
            if not isinstance(entry, dict) or "id" not in entry or name not in entry:
                raise ValueError(
                    f"{source}: an entry of {key} lacks id or {name}: {reprlib.repr(entry)}"
                )
            if type(entry["id"]) is not int or type(entry[name]) is not str:
                raise ValueError(
                    f"{source}: in an entry of {key}, id is no whole number or {name} no text: "
                    f"{reprlib.repr(entry)}"
                )
    return content


def _train_ids(content: Json, card: DatasetCard, source: Path) -> dict[int, int]:
    """Category id -> train id."""
    first = 1 if card.annotations == "instances" else 0
    names = {category["id"]: category["name"] for category in content["categories"]}
    found, wanted = [names[key] for key in sorted(names)], list(card.classes[first:])
    if found != wanted:
        lacking = [name for name in found if name not in wanted]
        strange = [name for name in wanted if name not in found]
        what = "has another order than their ids"
        if lacking or strange:
            what = f"lacks {lacking[0]!r}" if lacking else f"has {strange[0]!r}, which it has not"
        raise ValueError(
            f"{source} has {len(found)} categories and the card {card.name!r} {len(wanted)} classes"
            f"{' beside background' * first}; the card {what}: correct datasets.classes"
        )
    return {key: index + first for index, key in enumerate(sorted(names))}


def _require_images(
    stems: Collection[str], paths: Collection[str], folder: Path, source: Path
) -> None:
    if missing := sorted(set(stems) - set(paths)):
        raise ValueError(
            f"{len(missing)} of {len(stems)} images of {source} are not in {folder}, "
            f"{missing[0]} the first; unpack the images there again or take them out of the json"
        )


def _by_image(content: Json, train_ids: dict[int, int], source: Path) -> dict[Any, list[Json]]:
    found: dict[Any, list[Json]] = defaultdict(list)
    for annotation in content["annotations"]:
        try:
            for part in annotation.get("segments_info", [annotation]):
                if part["category_id"] not in train_ids:
                    raise ValueError(
                        f"{source}: annotation {part.get('id')} of image {annotation['image_id']} "
                        f"has category {part['category_id']}, which is not among its categories"
                    )
            found[annotation["image_id"]].append(annotation)
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{source}: an annotation is malformed ({type(error).__name__}: {error}): "
                f"{reprlib.repr(annotation)}"
            ) from error
    return found


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"masks cannot be written to {folder} ({error.strerror}); "
            "give another folder with datasets.masks=FOLDER"
        ) from error
