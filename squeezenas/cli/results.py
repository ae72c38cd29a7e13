"""What `squeezenas predict` writes: label files, pictures and videos, each whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from squeezenas.core.files import write_atomically
from squeezenas.core.predict_config import PredictConfig
from squeezenas.data.decode import Pixels
from squeezenas.report.painting import overlaid, painted

JPEG_QUALITY = 92


class Results:
    """Writes the results of images below the output folder.

    Args:
        config: where, what, and in which ids.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def __init__(self, config: PredictConfig) -> None:
        self.output, self.save, self.card = config.output, config.save, config.datasets
        self._ids = np.arange(256, dtype=np.uint8)
        if config.ids == "label":
            for label_id, train_id in reversed((self.card.label_ids or {}).items()):
                self._ids[train_id] = label_id  # the first id of a class is what remains
        probe = config.output / f".writable-{os.getpid()}"
        try:
            config.output.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OSError(
                f"output={config.output} cannot be written ({error.strerror}); name another folder"
            ) from error

    def write(self, name: str, image: Pixels, labels: Pixels) -> None:
        """Writes what is to be saved of one image.

        Raises:
            OSError: it cannot be written.
        """
        (self.output / name).parent.mkdir(parents=True, exist_ok=True)
        if "labels" in self.save:
            self.write_labels(name, labels)
        for kind, picture in self.pictures(image, labels, np.unique(labels).tolist()).items():
            suffix = ".png" if kind == "colours" else ".jpg"
            self._encode(f"{name}_{kind}{suffix}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def write_labels(self, name: str, labels: Pixels) -> None:
        """Writes the ids alone."""
        self._encode(f"{name}_labels.png", cv2.LUT(labels, self._ids))

    def pictures(self, image: Pixels, labels: Pixels, classes: Sequence[int]) -> dict[str, Pixels]:
        """The RGB pictures that are to be saved, by kind; the legend names the given classes."""
        if not {"colours", "overlays"} & set(self.save):
            return {}
        card, found = self.card, {}
        colours = painted(labels, card.palette)
        if "colours" in self.save:
            found["colours"] = colours
        if "overlays" in self.save:
            found["overlays"] = overlaid(image, colours, classes, card.palette, card.classes)
        return found

    def _encode(self, name: str, pixels: cv2.typing.MatLike) -> None:
        path = self.output / name
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
        _, content = cv2.imencode(path.suffix, pixels, options)
        write_atomically(path, content.tobytes())


class VideoResults:
    """Writes the results of a video's frames: ids as PNG, pictures as videos.

    Args:
        results: writes the ids, and knows what is saved.
        stem: name of the videos.
        rate: frames a second.
    """

    def __init__(self, results: Results, stem: str, rate: float) -> None:
        self.results, self.stem, self.rate = results, stem, rate
        self._writers: dict[Path, cv2.VideoWriter] = {}

    def write(self, name: str, image: Pixels, labels: Pixels) -> None:
        """Adds a frame; frames must come in order.

        Raises:
            OSError: it cannot be written.
        """
        if "labels" in self.results.save:
            (self.results.output / name).parent.mkdir(parents=True, exist_ok=True)
            self.results.write_labels(name, labels)
        every = range(self.results.card.num_classes)  # the legend must not jump
        for kind, picture in self.results.pictures(image, labels, every).items():
            path = self.results.output / f"{self.stem}_{kind}.mp4"
            if path not in self._writers:
                self._writers[path] = self._open(path, picture.shape[1::-1])
            self._writers[path].write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def close(self, keep: bool = True) -> None:
        """Ends the videos and gives them their names, or removes them."""
        for path, writer in self._writers.items():
            writer.release()
            if keep:
                os.replace(_partial(path), path)
            else:
                _partial(path).unlink(missing_ok=True)
        self._writers = {}

    def _open(self, path: Path, size: tuple[int, ...]) -> cv2.VideoWriter:
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(_partial(path)), codec, self.rate, size)
        if not writer.isOpened():
            raise OSError(f"{path} cannot be written: this OpenCV has no MPEG-4; use save=[labels]")
        return writer


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.partial{path.suffix}")
