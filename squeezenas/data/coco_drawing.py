"""One image's mask of train ids from its COCO annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from squeezenas.data.decode import Pixels, read_image
from squeezenas.data.image_files import MOST_PIXELS

VOID = 255
"""Id of crowds and of what has no label."""
LONGEST = 1_000_000
"""Pixels of a polygon's outline, of which pycocotools keeps forty bytes each."""

Json = dict[str, Any]


def require_pycocotools() -> None:
    """Raises: ValueError: it is not installed."""
    try:
        import pycocotools.mask
    except ImportError as error:
        raise ValueError(
            "masks are drawn from instances with pycocotools: pip install squeezenas[coco]"
        ) from error
    assert pycocotools.mask


def size_of(image: Json) -> tuple[int, int]:
    """Height and width of an image, as its entry says.

    Raises:
        KeyError, ValueError: it says none, or one that no image has.
    """
    height, width = image["height"], image["width"]
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise ValueError(f"height {height!r} and width {width!r} are no numbers of pixels")
    if height * width > MOST_PIXELS:
        raise ValueError(f"{height}x{width} are more than {MOST_PIXELS:,} pixels")
    return height, width


def draw_instances(
    image: Json, annotations: Sequence[Json], train_ids: Mapping[int, int]
) -> Pixels:
    """The mask `(H, W)` of polygons and run lengths; what nothing covers is background, 0.

    Smaller instances lie over larger ones, as they mostly do in front of them. Every pixel of a
    crowd is void, whatever else covers it.

    Raises:
        KeyError, TypeError, ValueError: an annotation is malformed.
    """
    from pycocotools import mask as run_length

    height, width = size_of(image)
    regions = []
    for annotation in annotations:
        region = _region(annotation["segmentation"], height, width)
        crowd = bool(annotation.get("iscrowd", 0))
        order = (crowd, -int(run_length.area(region)), annotation["id"])
        train_id = VOID if crowd else train_ids[annotation["category_id"]]
        regions.append((order, region, train_id))
    pixels = np.zeros((height, width), np.uint8)
    for _, region, train_id in sorted(regions, key=lambda entry: entry[0]):
        pixels[run_length.decode(region).astype(bool)] = train_id
    return pixels


def _region(segmentation: Any, height: int, width: int) -> Json:
    """Polygons, or run lengths as numbers or as text, in pycocotools' compressed form.

    Its code in C believes what it is given, and would write beyond its memory.
    """
    from pycocotools import mask as run_length

    if isinstance(segmentation, list):
        # Shorter ones have no area, and pycocotools takes four numbers for a box.
        polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
        for polygon in polygons:
            _require_drawable(polygon, max(height, width))
        parts = run_length.frPyObjects(polygons, height, width) if polygons else []
        region: Json = run_length.merge(parts)
        return region if parts else run_length.encode(np.zeros((height, width), np.uint8, "F"))
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"run lengths of {segmentation['size']} for {height}x{width} pixels")
    runs = segmentation["counts"]
    runs = runs if isinstance(runs, list) else unpacked_runs(runs)
    if not all(type(run) is int and run >= 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"run lengths that do not add up to {height}x{width} pixels")
    region = run_length.frPyObjects({"size": [height, width], "counts": runs}, height, width)
    return region


def _require_drawable(polygon: Any, side: int) -> None:
    """Refuses corners far outside an image of this longer side, and outlines without end.

    Raises:
        TypeError, ValueError: says what is wrong.
    """
    if not all(type(number) in (int, float) for number in polygon):
        raise TypeError("a corner of a polygon is no number")
    if len(polygon) % 2 or not all(-side <= number <= 2 * side for number in polygon):
        raise ValueError(f"a polygon has corners outside an image of {side} pixels")
    corners = np.array(polygon, np.float64).reshape(-1, 2)
    outline = np.abs(corners - np.roll(corners, 1, 0)).max(1).sum()
    if outline > LONGEST:
        raise ValueError(
            f"a polygon has an outline of {outline:,.0f} pixels, more than {LONGEST:,}"
        )


def unpacked_runs(text: str) -> list[int]:
    """Run lengths of COCO's text form: five bits a character, differences from the third run on.

    Raises:
        TypeError, ValueError: it is no such text.
    """
    runs: list[int] = []
    value = shift = 0
    for code in text.encode("ascii"):
        if not 48 <= code < 48 + 64 or shift > 30:
            raise ValueError("run lengths are no text of COCO's form")
        code -= 48
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the text of run lengths breaks off")
    return runs


def draw_panoptic(
    folder: Path, annotations: Sequence[Json], train_ids: Mapping[int, int]
) -> Pixels:
    """The mask `(H, W)` of a picture whose colours are segment ids, R + 256 G + 65536 B.

    Crowds and pixels without a segment are void.

    Raises:
        OSError: the picture cannot be read.
        KeyError, ValueError: it is damaged, has segments that the json lacks, or there is not
            exactly one for the image.
    """
    if len(annotations) != 1:
        raise ValueError(f"an image has one panoptic annotation, this one {len(annotations)}")
    name = annotations[0]["file_name"]
    if Path(name).name != name:
        raise ValueError(f"{name!r} is no file name")
    path = folder / name
    red, green, blue = np.moveaxis(read_image(path).astype(np.int32), -1, 0)
    ids = red + 256 * green + 65536 * blue
    meaning = {0: VOID}
    for segment in annotations[0]["segments_info"]:
        crowd = bool(segment.get("iscrowd", 0))
        if type(segment["id"]) is not int or not 0 <= segment["id"] < 1 << 24:
            raise ValueError(f"{segment['id']!r} is no id of a segment, which is three bytes")
        meaning[segment["id"]] = VOID if crowd else train_ids[segment["category_id"]]
    known = np.array(sorted(meaning))
    place = np.searchsorted(known, ids).clip(max=len(known) - 1)
    if (strange := ids[known[place] != ids]).size:
        raise ValueError(f"{path} has segment {strange[0]}, which the json lacks")
    return np.array([meaning[key] for key in known.tolist()], np.uint8)[place]
