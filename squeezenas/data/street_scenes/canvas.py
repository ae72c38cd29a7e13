"""A pinhole camera, and the pair of image and label map it paints on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
RGB = tuple[float, float, float]

NEAR = 0.6
"""Metres in front of the camera from which on things are drawn."""
FRACTION_BITS = 4

IDS = {
    "ego vehicle": 1, "static": 4, "road": 7, "sidewalk": 8, "building": 11,
    "wall": 12, "fence": 13, "pole": 17, "traffic light": 19, "traffic sign": 20,
    "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
    "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
"""Official Cityscapes label ids of what is drawn here."""


@dataclass(frozen=True)
class Camera:
    """World axes in metres: x to the right, y up, z along the road; the camera stands at z = 0.

    `focal`, `column` and `horizon` are in pixels; `yaw` in radians, to the right.
    """

    height: int
    width: int
    focal: float
    column: float
    horizon: float
    x: float
    y: float
    yaw: float

    @cached_property
    def eye(self) -> Array:
        """Where the camera is in the world."""
        return np.array([self.x, self.y, 0.0])

    @cached_property
    def _turn(self) -> Array:
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])

    @cached_property
    def _centre(self) -> Array:
        return np.array([self.column, self.horizon])

    @cached_property
    def _scale(self) -> Array:
        return np.array([self.focal, -self.focal])

    def view(self, points: ArrayLike) -> Array:
        """World points `(n, 3)` in camera axes."""
        return (np.asarray(points, float) - self.eye) @ self._turn

    def pixels(self, view: Array) -> Array:
        """Camera-axes points `(n, 3)` as pixel coordinates `(n, 2)`; depths must be above 0."""
        return self._centre + self._scale * view[:, :2] / view[:, 2:]

    @property
    def first_ground_row(self) -> int:
        """The first pixel row whose centre is below the horizon."""
        return int(np.clip(np.floor(self.horizon + 0.5), 1, self.height - 1))

    def ground(self) -> tuple[Array, Array, Array]:
        """Where the rays of the pixels below the horizon meet the ground: world x and z, and depth.

        Each has the shape `(H - first_ground_row, W)`, in metres.
        """
        below = np.arange(self.first_ground_row, self.height)[:, None] + 0.5 - self.horizon
        depth = np.repeat(self.focal * self.y / np.maximum(below, 0.01), self.width, axis=1)
        side = (np.arange(self.width)[None] + 0.5 - self.column) * depth / self.focal
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return cos * side + sin * depth + self.x, cos * depth - sin * side, depth


class Canvas:
    """Image `(H, W, 3)` and label ids `(H, W)`, painted together.

    Args:
        camera: where the viewer is.
        haze: RGB of the air, towards which distant things fade.
        sight: distance in metres at which 63 % of a colour is haze.
        sun: direction to the sun, a unit vector in world axes.
    """

    def __init__(self, camera: Camera, haze: RGB, sight: float, sun: RGB) -> None:
        self.camera, self.haze, self.sight = camera, np.asarray(haze), sight
        self.sun = np.asarray(sun)
        self.image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.labels = np.zeros((camera.height, camera.width), np.uint8)

    def air(self, colours: ArrayLike, depths: ArrayLike) -> Array:
        """Colours `(n, 3)` as they arrive from `depths` metres `(n,)`."""
        clear = np.exp(-np.asarray(depths, float) / self.sight)[:, None]
        mixed = np.asarray(colours, float) * clear + self.haze * (1 - clear)
        return np.minimum(np.maximum(mixed, 0), 255)

    def polygons(self, shapes: Sequence[Array], colours: ArrayLike, label: int) -> None:
        """Fills planar polygons of world points `(n, 3)` in order, cut off at the near plane."""
        ends = np.cumsum([len(shape) for shape in shapes])
        views = np.split(self.camera.view(np.concatenate(shapes)), ends[:-1])
        views = [view if view[:, 2].min() >= NEAR else _clip(view) for view in views]
        seen = [index for index, view in enumerate(views) if len(view) >= 3]
        if not seen:
            return
        ends = np.cumsum([len(views[index]) for index in seen])
        flat = np.concatenate([views[index] for index in seen])
        depths = np.add.reduceat(flat[:, 2], [0, *ends[:-1]]) / np.diff(ends, prepend=0)
        shades = self.air(np.asarray(colours, float)[seen], depths)
        for outline, shade in zip(
            np.split(self.camera.pixels(flat), ends[:-1]), shades, strict=True
        ):
            self.flat(outline, shade, label)

    def flat(self, corners: ArrayLike, colour: ArrayLike, label: int) -> None:
        """Fills a polygon of pixel coordinates `(n, 2)`."""
        points = [_fixed(corners)]
        cv2.fillPoly(self.image, points, np.asarray(colour).tolist(), shift=FRACTION_BITS)
        cv2.fillPoly(self.labels, points, (label,), shift=FRACTION_BITS)

    def discs(self, centres: Array, radii: Array, colours: Array, label: int) -> None:
        """Fills discs of pixel centres `(n, 2)`, radii `(n,)` and colours `(n, 3)`, in order."""
        one = 1 << FRACTION_BITS
        size = (self.camera.width, self.camera.height)
        reach = np.maximum(radii, 0.5)
        seen = np.all((centres + reach[:, None] > 0) & (centres - reach[:, None] < size), axis=1)
        middles = np.rint((centres[seen] - 0.5) * one).astype(int).tolist()
        sizes = np.rint(reach[seen] * one).astype(int).tolist()
        for (x, y), radius, colour in zip(middles, sizes, colours[seen].tolist(), strict=True):
            cv2.circle(self.image, (x, y), radius, colour, -1, cv2.LINE_8, FRACTION_BITS)
            cv2.circle(self.labels, (x, y), radius, (label,), -1, cv2.LINE_8, FRACTION_BITS)

    def surface(
        self, corners: ArrayLike, texture: NDArray[np.uint8], label: int, solid: float = 1.0
    ) -> None:
        """Paints a texture on a world quad `(4, 3)`, clockwise from its top left corner.

        Args:
            corners: all in front of the near plane.
            texture: `(h, w, 3)`, or `(h, w, 4)` where the fourth channel 0..255 is opacity.
            label: label id of the whole quad.
            solid: brightness factor of the light that falls on the quad.
        """
        view = self.camera.view(corners)
        if view[:, 2].min() < NEAR:
            return
        quad = self.camera.pixels(view)
        low = np.clip(np.floor(quad.min(0)), 0, (self.camera.width, self.camera.height)).astype(int)
        high = np.clip(np.ceil(quad.max(0)), 0, (self.camera.width, self.camera.height)).astype(int)
        width, height = (high - low).tolist()
        if width < 1 or height < 1:
            return
        tall, wide = texture.shape[:2]
        source = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32)
        target = (quad - low).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        paint = cv2.warpPerspective(
            texture,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [_fixed(target)], (1,), shift=FRACTION_BITS)
        rows, columns = slice(low[1], high[1]), slice(low[0], high[0])
        clear = np.exp(-float(view[:, 2].mean()) / self.sight)
        colour = paint[..., :3] * (solid * clear) + self.haze * (1 - clear)
        opacity = inside[..., None] * (paint[..., 3:] / 255.0 if paint.shape[2] == 4 else 1.0)
        under = self.image[rows, columns]
        mixed = under + (np.clip(colour, 0, 255) - under) * opacity
        self.image[rows, columns] = mixed.astype(np.uint8)
        self.labels[rows, columns][inside > 0] = label

    def sees(self, points: Array) -> bool:
        """Whether what world points `(n, 3)` span may be in the picture."""
        view = self.camera.view(points)
        if view[:, 2].max() < NEAR:
            return False
        if view[:, 2].min() < NEAR:
            return True
        column = self.camera.pixels(view)[:, 0]
        return bool(column.min() < self.camera.width and column.max() > 0)

    def shine(self, normal: Array) -> float:
        """Brightness of a surface with this outward normal: 0.62 in shade, 1.1 in full sun."""
        return 0.62 + 0.48 * max(0.0, float(normal @ self.sun))


def _clip(view: Array) -> Array:
    """The part of a polygon in front of the near plane (Sutherland and Hodgman)."""
    kept: list[Array] = []
    for a, b in zip(view, np.roll(view, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    return np.array(kept)


def _fixed(corners: ArrayLike) -> NDArray[np.int32]:
    """Pixel coordinates in OpenCV's fixed point, far-away ones limited to what it can hold."""
    limited = np.minimum(np.maximum(np.asarray(corners, float) - 0.5, -2e4), 4e4)
    return np.rint(limited * (1 << FRACTION_BITS)).astype(np.int32)
