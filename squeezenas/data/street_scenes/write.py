"""Writing the generated frames once, in the official Cityscapes layout, all of them or none."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from squeezenas.core.dataset_card import Generate
from squeezenas.data.street_scenes.scene import draw_scene

VERSION = 1
"""Raised whenever a seed draws other pictures, so that old folders are not taken for new ones."""


def street_scenes_folder(root: Path, settings: Generate) -> Path:
    """The folder with the frames of these settings; draws them if it is not there.

    Every combination of settings has its own folder below `root`, so changing one never mixes
    frames. They are drawn into a temporary folder that gets its name when all are complete; several
    processes may do so at once, and the first to finish wins.

    Raises:
        OSError: the folder cannot be written.
    """
    s = settings
    folder = root / f"v{VERSION}_{s.height}x{s.width}_{s.train}+{s.val}_seed{s.seed}"
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=root))
    except OSError as error:
        raise OSError(
            f"street scenes cannot be written to {root} ({error.strerror}); "
            "give another folder with datasets.root=FOLDER"
        ) from error
    try:
        _write_splits(partial, settings)
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write_splits(folder: Path, settings: Generate) -> None:
    splits = (("train", settings.train), ("val", settings.val))
    total = sum(count for _, count in splits)
    with tqdm(
        total=total, desc="drawing street scenes", unit="frame", leave=False, disable=None
    ) as progress:
        for number, (split, count) in enumerate(splits):
            for index in range(count):
                rng = np.random.default_rng([settings.seed, number, index])
                image, labels = draw_scene(settings.height, settings.width, rng)
                stem = f"street_{number:06d}_{index:06d}"
                images = folder / "leftImg8bit" / split / "street"
                masks = folder / "gtFine" / split / "street"
                _write(images / f"{stem}_leftImg8bit.png", image[..., ::-1])
                _write(masks / f"{stem}_gtFine_labelIds.png", labels)
                progress.update()


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
