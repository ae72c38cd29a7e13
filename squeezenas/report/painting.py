"""Label maps as pictures, quickly: colours, and colours over the image with a legend below."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Palette = Sequence[tuple[int, int, int]]

IMAGE_SHARE = 0.45
"""How much of the image shines through the colours."""

ROW, CELL = 22, 128  # pixels of a legend's entry: height, width


def painted(labels: Bytes, palette: Palette) -> Bytes:
    """Labels `(H, W)` in the palette's colours, RGB `(H, W, 3)`; what is no class is black."""
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(palette)] = palette
    return cv2.LUT(cv2.merge((labels, labels, labels)), table).astype(np.uint8, copy=False)


def overlaid(
    image: Bytes, colours: Bytes, classes: Sequence[int], palette: Palette, names: Sequence[str]
) -> Bytes:
    """The image `(H, W, 3)` under colours, and below it a legend of the given classes.

    The picture is wider than a very narrow image, and its sides are even, as video codecs like it.
    """
    mixed = cv2.addWeighted(image, IMAGE_SHARE, colours, 1 - IMAGE_SHARE, 0)
    height, width = image.shape[:2]
    wide = max(width + width % 2, CELL)
    columns = wide // CELL
    rows = -(-len(classes) // columns)
    bottom = ROW * rows + height % 2
    border = (0, bottom, 0, wide - width, cv2.BORDER_CONSTANT)
    picture = cv2.copyMakeBorder(mixed, *border, value=(255, 255, 255)).astype(np.uint8, copy=False)
    for place, index in enumerate(classes):
        x, y = CELL * (place % columns), height + height % 2 + ROW * (place // columns)
        cv2.rectangle(picture, (x + 4, y + 5), (x + 15, y + 16), palette[index], cv2.FILLED)
        cv2.putText(
            picture, names[index][:16], (x + 20, y + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.38,
            (34, 34, 34), 1, cv2.LINE_AA,
        )  # fmt: skip
    return picture
