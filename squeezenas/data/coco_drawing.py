"""One image's mask of train ids from its COCO annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from squeezenas.data.decode import Pixels, read_image

VOID = 255
"""Id of crowds and of what has no label."""

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

    height, width = image["height"], image["width"]
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
    """Polygons, or run lengths as numbers or as text, in pycocotools' compressed form."""
    from pycocotools import mask as run_length

    if isinstance(segmentation, list):
        # Shorter ones have no area, and pycocotools takes four numbers for a box.
        polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
        parts = run_length.frPyObjects(polygons, height, width) if polygons else []
        region: Json = run_length.merge(parts)
        return region if parts else run_length.encode(np.zeros((height, width), np.uint8, "F"))
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"run lengths of {segmentation['size']} for {height}x{width} pixels")
    if isinstance(segmentation["counts"], list):
        segmentation = run_length.frPyObjects(segmentation, height, width)
    return dict(segmentation)


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
    path = folder / annotations[0]["file_name"]
    red, green, blue = np.moveaxis(read_image(path).astype(np.int32), -1, 0)
    ids = red + 256 * green + 65536 * blue
    meaning = {0: VOID}
    for segment in annotations[0]["segments_info"]:
        crowd = bool(segment.get("iscrowd", 0))
        meaning[segment["id"]] = VOID if crowd else train_ids[segment["category_id"]]
    known = np.array(sorted(meaning))
    place = np.searchsorted(known, ids).clip(max=len(known) - 1)
    if (strange := ids[known[place] != ids]).size:
        raise ValueError(f"{path} has segment {strange[0]}, which the json lacks")
    return np.array([meaning[key] for key in known.tolist()], np.uint8)[place]
