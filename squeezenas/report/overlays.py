"""Images beside their label and the prediction, in the data set's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from squeezenas.report.canvas import INK, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGE_SHARE = 0.3
"""How much of the image shines through the colours."""

Bytes = NDArray[np.uint8]


def draw_overlays(
    path: Path,
    images: Bytes,
    labels: Bytes,
    predictions: Bytes,
    palette: Sequence[tuple[int, int, int]],
    class_names: Sequence[str],
    ignore_index: int = 255,
) -> None:
    """Draws a row an image: image, label, prediction. Ignored pixels are black in the label.

    Args:
        path: the PNG file.
        images: RGB, shape `(N, H, W, 3)`.
        labels: train ids, shape `(N, H, W)`.
        predictions: train ids, shape `(N, H, W)`.
        palette: RGB of each class.
        class_names: name of each class.
        ignore_index: label of pixels without one.

    Raises:
        ValueError: there is no image, or the shapes do not agree.
        OSError: the file could not be written.
    """
    if not len(images) or not images.shape[:3] == labels.shape == predictions.shape:
        raise ValueError(
            f"overlays need equal shapes: images {images.shape}, labels {labels.shape}, "
            f"predictions {predictions.shape}"
        )
    count, height, width = labels.shape
    present = np.union1d(np.unique(labels), np.unique(predictions))
    classes = [index for index in present.tolist() if index != ignore_index]
    legend_rows = -(-len(classes) // 7)
    column = 4.2
    figure = new_figure(3 * column, count * column * height / width + 0.35 + 0.25 * legend_rows)
    grid = figure.subplots(count, 3, squeeze=False)
    for row, image, label, prediction in zip(grid, images, labels, predictions, strict=True):
        shown = (
            image,
            _painted(image, label, palette, ignore_index),
            _painted(image, prediction, palette, ignore_index),
        )
        for axes, picture in zip(row, shown, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.axis("off")
    for axes, name in zip(grid[0], ("image", "label", "prediction"), strict=True):
        axes.set_title(name, fontsize=10, color=INK)
    _legend(figure, classes, palette, class_names)
    save_figure(figure, path)


def _painted(
    image: Bytes, label: Bytes, palette: Sequence[tuple[int, int, int]], ignore_index: int
) -> Bytes:
    colours = np.zeros((256, 3), np.float32)
    colours[: len(palette)] = palette
    painted = IMAGE_SHARE * image + (1 - IMAGE_SHARE) * colours[label]
    painted[label == ignore_index] = 0
    return painted.astype(np.uint8)


def _legend(
    figure: Figure,
    classes: Sequence[int],
    palette: Sequence[tuple[int, int, int]],
    class_names: Sequence[str],
) -> None:
    """Names the classes that occur."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*palette[index]), label=class_names[index])
        for index in classes
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, frameon=False, fontsize=8.5)
