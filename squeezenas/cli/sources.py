"""What `squeezenas predict` reads: images of a folder or pattern, or the frames of a video."""

from __future__ import annotations

import glob
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from squeezenas.data.decode import Pixels, require_whole
from squeezenas.data.image_files import MOST_PIXELS, read_pixels

IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"}
VIDEO_HEAD = re.compile(
    rb"RIFF....AVI |\x1aE\xdf\xa3|....(ftyp|moov|mdat|wide|free|skip)", re.DOTALL
)
"""How AVI, Matroska and QuickTime, MP4 among it, begin."""
SIDES = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)


class Item(NamedTuple):
    """An image by the name its results get, a path below the output folder without suffix."""

    name: str
    image: Pixels


class Unread(NamedTuple):
    """A file that could not be read, and why."""

    reason: str


def find_images(given: str) -> dict[str, Path]:
    """Name -> file of an image, of a folder with all folders inside, or of a pattern.

    Hidden files and those in hidden folders are left out, unless a pattern names a dot.

    Raises:
        FileNotFoundError: there are none.
        ValueError: two would get one name, or it is no pattern.
    """
    path = Path(given)
    if path.is_dir():
        files, root = _shown(path.rglob("*"), path), path
        files = [file for file in files if file.suffix.lower() in IMAGES]
    elif path.is_file():
        files, root = [path], path.parent
    else:
        root, files = _matching(path)
    if not files:
        raise FileNotFoundError(
            f"input={given}: no image there; name an image, a folder, a pattern or a video"
        )
    named: dict[str, Path] = {}
    for file in files:
        name = file.relative_to(root).with_suffix("").as_posix()
        if name in named:
            raise ValueError(
                f"{named[name]} and {file} would both be written as {name}_*; rename one"
            )
        named[name] = file
    return named


def _matching(pattern: Path) -> tuple[Path, list[Path]]:
    """The files of a pattern, and the folder that it begins in.

    Unlike `glob.glob`, `**` follows no links: two that lead back would be walked for ever.

    Raises:
        ValueError: it is no pattern.
    """
    parts = pattern.parts
    fixed = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    root, rest = Path(*parts[:fixed]), parts[fixed:]
    if not rest:
        return root, []
    below = Path(*rest, "*") if rest[-1] == "**" else Path(*rest)
    try:
        found = list(root.glob(str(below)))
    except ValueError as error:
        raise ValueError(
            f"input={pattern}: {error}; ** stands alone between slashes, as in folder/**/*.jpg"
        ) from error
    if any(part.startswith(".") for part in rest):
        return root, sorted(file for file in found if file.is_file())
    return root, _shown(found, root)


def _shown(paths: Iterable[Path], root: Path) -> list[Path]:
    """The files that are not hidden below a folder, sorted; a Mac leaves `._IMG.jpg`."""
    return sorted(
        path
        for path in paths
        if not any(part.startswith(".") for part in path.relative_to(root).parts) and path.is_file()
    )


def read_photo(path: Path) -> Pixels:
    """An image as RGB `(H, W, 3)` as a viewer shows it: turned as its EXIF says.

    Grey is repeated, alpha dropped, 16 bits become the upper 8.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no image, or damaged.
    """
    require_whole(path)
    pixels = read_pixels(path, cv2.IMREAD_COLOR)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_ahead(
    files: dict[str, Path], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[Item | Unread]:
    """The images in order, so many of them decoded before they are asked for."""
    waiting: deque[tuple[str, Future[Pixels]]] = deque()
    left = iter(files.items())
    while True:
        while len(waiting) < ahead and (entry := next(left, None)):
            waiting.append((entry[0], pool.submit(read_photo, entry[1])))
        if not waiting:
            return
        name, future = waiting.popleft()
        try:
            yield Item(name, future.result())
        except OSError as error:
            yield Unread(f"{files[name]} cannot be read ({error.strerror or error})")
        except ValueError as error:
            yield Unread(str(error))


class Video:
    """The frames of a video file.

    Raises:
        ValueError: it cannot be opened or has no frame that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            head = file.read(12)
        # Others may be playlists, which have FFmpeg open what they name, on the network too.
        known = VIDEO_HEAD.match(head) is not None
        self._capture = cv2.VideoCapture(str(path)) if known else cv2.VideoCapture()
        width, height = (self._capture.get(side) for side in SIDES)
        if width * height > MOST_PIXELS:
            self._capture.release()  # it has no frames then
        good, first = self._capture.read()
        if not good:
            raise ValueError(
                f"input={path}: no frame of this video can be read; it is damaged, or in a format "
                "OpenCV does not know: convert it"
            )
        self._first = first
        self.count = max(1, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or 25.0

    def items(self, pool: ThreadPoolExecutor) -> Iterator[Item | Unread]:
        """The frames in order, the next one decoded while one is used."""
        frame, number = self._first, 0
        while True:
            following = pool.submit(self._capture.read)
            name = f"{self.path.stem}/{number:06d}"
            yield Item(name, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False))
            number += 1
            good, frame = following.result()
            if not good:
                break
        self._capture.release()
        if number < 0.98 * self.count - 1:  # for some formats the count is an estimate
            yield Unread(f"{self.path} breaks off after {number} of {self.count} frames")


def batches(
    items: Iterator[Item | Unread], size: int, unread: list[str]
) -> Iterator[Sequence[Item]]:
    """Up to `size` images that follow each other and are of one size; failures are set aside."""
    batch: list[Item] = []
    for item in items:
        if isinstance(item, Unread):
            unread.append(item.reason)
            continue
        if batch and (len(batch) == size or batch[0].image.shape != item.image.shape):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
