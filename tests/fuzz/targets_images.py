"""Images, masks and predictions: millions of them come from the network, and C code decodes them.

The pictures are small and hold noise under a gradient, so that every part of a format is in use.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from squeezenas.cli.sources import read_photo
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.decode import read_image, read_mask, require_whole
from squeezenas.data.frames import Frame
from squeezenas.data.image_files import image_size
from squeezenas.training.label_files import find_predictions, read_instance_ids, read_prediction
from tests.fuzz.target import Target

HEIGHT, WIDTH = 19, 26
CARD = DatasetCard(
    name="tiny",
    title="Tiny",
    layout="folders",
    root=Path("nowhere"),
    splits={"train": ("train",)},
    classes=("a", "b", "c"),
    palette=((0, 0, 0), (9, 9, 9), (200, 0, 0)),
    ignore_ids=(255,),
    licence="none",
    how_to_get="draw it",
)
Seeds = Callable[[], Sequence[bytes]]


def _picture() -> Image.Image:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH, 3))
    ramp = np.stack([rows * 9, columns * 7, rows + columns], 2)
    return Image.fromarray((noise + ramp).clip(0, 255).astype(np.uint8))


def saved(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def _pngs() -> list[bytes]:
    picture = _picture()
    frames = [picture.rotate(angle) for angle in (90, 180)]
    deep = np.random.default_rng(1).integers(0, 1 << 16, (HEIGHT, WIDTH, 3), np.uint16)
    modes = ("RGB", "RGBA", "L", "LA", "P", "1")
    return [
        *(saved(picture.convert(mode), "PNG") for mode in modes),
        cv2.imencode(".png", deep)[1].tobytes(),
        saved(picture, "PNG", save_all=True, append_images=frames, default_image=False),
        saved(picture, "PNG", icc_profile=b"profile" * 20, dpi=(72, 72)),
    ]


def _jpegs() -> list[bytes]:
    picture, turned = _picture(), Image.Exif()
    turned[0x0112] = 6
    return [
        saved(picture, "JPEG", quality=90, subsampling=0),
        saved(picture, "JPEG", progressive=True),
        saved(picture.convert("L"), "JPEG", restart_marker_rows=1),
        saved(picture.convert("CMYK"), "JPEG"),
        saved(picture, "JPEG", exif=turned, icc_profile=b"profile" * 20, comment=b"text"),
    ]


def _webps() -> list[bytes]:
    picture = _picture()
    return [
        saved(picture, "WEBP"),
        saved(picture, "WEBP", lossless=True),
        saved(picture.convert("RGBA"), "WEBP", quality=40),
        saved(picture, "WEBP", save_all=True, append_images=[picture.rotate(90)], duration=40),
    ]


def _rarer() -> list[bytes]:
    picture = _picture()
    packings = ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    return [
        *(saved(picture, "TIFF", compression=packing) for packing in packings),
        saved(picture.convert("1"), "TIFF", compression="group4"),
        saved(picture, "TIFF", save_all=True, append_images=[picture]),
        saved(picture, "BMP"),
        saved(picture.convert("P"), "BMP"),
        saved(picture, "PPM"),
        saved(picture.convert("L"), "PPM"),
        b"P3\n3 2\n255\n" + b"1 2 3 " * 6,
    ]


def _masks() -> list[bytes]:
    ids = np.random.default_rng(2).integers(0, 3, (HEIGHT, WIDTH), np.uint8)
    coloured = Image.fromarray(ids)
    coloured.putpalette([level for index in range(256) for level in (index, 255 - index, 7)])
    return [cv2.imencode(".png", ids)[1].tobytes(), saved(coloured, "PNG")]


def _instances() -> list[bytes]:
    ids = np.random.default_rng(3).integers(0, 26100, (HEIGHT, WIDTH), np.uint16)
    return [cv2.imencode(".png", ids)[1].tobytes()]


def _read_image(path: Path) -> object:
    require_whole(path)
    return read_image(path), image_size(path)


def _truth(folder: Path) -> None:
    (folder / "truth").mkdir()
    (folder / "truth" / "one.png").write_bytes(_masks()[0])


def _read_prediction(path: Path) -> object:
    truth = path.parents[1] / "truth" / "one.png"
    [found] = find_predictions(path.parent, [Frame(truth, truth, "one")])
    return read_prediction(found, CARD, "train")


TARGETS = [
    Target("image_png", _read_image, _pngs, ("png",), "x.png", covers=("data.image_files",)),
    Target("image_jpeg", _read_image, _jpegs, (), "x.jpg"),
    Target("image_webp", _read_image, _webps, (), "x.webp"),
    Target("image_rarer", _read_image, _rarer, (), "x.tif"),
    Target("photo", read_photo, lambda: _jpegs() + _pngs(), (), "x.jpg"),
    Target("mask", lambda path: read_mask(path, CARD), _masks, ("png",), "m.png"),
    Target(
        "instance_ids",
        lambda path: read_instance_ids(path, (HEIGHT, WIDTH)),
        _instances,
        ("png",),
        "i.png",
    ),
    Target("prediction", _read_prediction, _masks, ("png",), "found/one_pred_labelIds.png", _truth),
]
