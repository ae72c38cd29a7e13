"""Files of predictions and of instances: how they are named, found, read and written.

A prediction is what the Cityscapes server takes: a PNG of label ids in the size of the frame, whose
name begins with the frame's stem (`getPrediction` in cityscapesScripts).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.files import write_atomically
from squeezenas.data.decode import Pixels, read_mask_ids
from squeezenas.data.frames import Frame
from squeezenas.data.image_files import image_size, read_pixels

Ids = Literal["label", "train"]


def find_predictions(folder: Path, frames: Sequence[Frame]) -> list[Path]:
    """The prediction of each frame, anywhere below the folder: one PNG each, of the frame's size.

    Raises:
        FileNotFoundError: the folder is not there, or a frame has no prediction.
        ValueError: a frame has two, or one of another size.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"predictions={folder}: no such folder; check the path")
    found: dict[str, list[Path]] = {frame.stem: [] for frame in frames}
    for path in sorted(folder.rglob("*.png")):
        inside = path.relative_to(folder).with_suffix("").as_posix()
        for name in (inside, path.stem):
            # Cuts at the end of a word, the longest first: `img10` is no prediction of `img1`.
            ends = [*(end.start() for end in re.finditer(r"[\W_]", name)), len(name)]
            stem = next((name[:end] for end in reversed(ends) if name[:end] in found), None)
            if stem is not None:
                found[stem].append(path)
                break
    if missing := [stem for stem, paths in found.items() if not paths]:
        raise FileNotFoundError(
            f"{folder} has no prediction of {len(missing)} of {len(frames)} frames, {missing[0]} "
            f"the first; a PNG whose name begins with {Path(missing[0]).name!r} must be there"
        )
    if double := [paths for paths in found.values() if len(paths) > 1]:
        raise ValueError(
            f"{folder} has {len(double[0])} predictions of one frame, {double[0][0]} and "
            f"{double[0][1]}; keep one PNG a frame"
        )
    files = [found[frame.stem][0] for frame in frames]
    for frame, path in zip(frames, files, strict=True):
        wanted, size = image_size(frame.mask), image_size(path)
        if size != wanted:
            raise ValueError(
                f"{path} is {size[0]}x{size[1]}, but its label {frame.mask} is "
                f"{wanted[0]}x{wanted[1]} (height x width); predict at full resolution"
            )
    return files


def read_prediction(path: Path, card: DatasetCard, ids: Ids) -> Pixels:
    """A prediction in train ids `(H, W)`; `card.ignore_index` where it is no class.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or holds ids that are not on the card.
    """
    known = card.train_ids
    if ids == "train":
        known = {index: index for index in (*range(card.num_classes), card.ignore_index)}
    raw = read_mask_ids(path)
    if strange := [int(value) for value in np.flatnonzero(_histogram(raw)) if value not in known]:
        other = "train" if ids == "label" else "label"
        raise ValueError(
            f"{path} has ids {strange} that are no {ids} ids of {card.name}; if the files hold "
            f"{other} ids, say ids={other}"
        )
    table = np.full(256, card.ignore_index, np.uint8)
    table[list(known)] = list(known.values())
    return cv2.LUT(raw, table).astype(np.uint8, copy=False)


def _histogram(ids: Pixels) -> NDArray[np.float32]:
    counted = cv2.calcHist([ids], [0], None, [256], [0, 256]).ravel()
    return counted.astype(np.float32, copy=False)


def write_prediction(folder: Path, stem: str, classes: Pixels, card: DatasetCard) -> None:
    """Writes train ids `(H, W)` as label ids, to `<stem>_pred_labelIds.png` below the folder.

    Raises:
        OSError: it cannot be written.
    """
    table = np.arange(256, dtype=np.uint8)
    for label_id, train_id in reversed((card.label_ids or {}).items()):
        table[train_id] = label_id  # the first id of a class is what remains
    path = folder / f"{stem}_pred_labelIds.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    _, png = cv2.imencode(".png", cv2.LUT(classes, table))
    write_atomically(path, png.tobytes())


def instance_file(frame: Frame) -> Path | None:
    """`*_instanceIds.png` beside a mask `*_labelIds.png`, if it is there."""
    path = frame.mask.with_name(frame.mask.name.replace("labelIds", "instanceIds"))
    return path if path != frame.mask and path.is_file() else None


def read_instance_ids(path: Path, size: tuple[int, ...]) -> NDArray[np.uint16]:
    """Instance ids `(H, W)`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, not one 16-bit id a pixel, or not of this size.
    """
    ids = read_pixels(path, cv2.IMREAD_UNCHANGED)
    if ids.dtype != np.uint16 or ids.shape != size:
        raise ValueError(
            f"{path} is {ids.dtype} of shape {ids.shape}; it must hold one 16-bit id a pixel in "
            f"the size of its label, {size}; get the file again, or remove it to go without iIoU"
        )
    return ids.astype(np.uint16, copy=False)
