"""People on foot, riders, bicycles and motorcycles: flat figures turned towards the camera."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from squeezenas.data.street_scenes.canvas import IDS, NEAR, Array, Canvas

SKIN = ((224, 180, 150), (190, 140, 110), (120, 82, 60), (235, 200, 175))


class Figure:
    """A figure at a place: points are `(metres to its right, metres up)`.

    Args:
        canvas: what it is painted on.
        x: world x of its foot.
        z: world z of its foot.
        size: factor on all its measures.
        turn: factor on its widths; below 1 it is seen from behind, -1 mirrors it.
    """

    def __init__(self, canvas: Canvas, x: float, z: float, size: float, turn: float) -> None:
        view = canvas.camera.view([(x, 0.0, z)])
        self._canvas, self._depth = canvas, float(view[0, 2])
        self.visible = self._depth > 2 * NEAR
        self._foot = canvas.camera.pixels(view)[0] if self.visible else np.zeros(2)
        self._scale = size * canvas.camera.focal / max(self._depth, NEAR)
        self._turn = turn

    def _place(self, points: ArrayLike) -> Array:
        return self._foot + np.asarray(points, float) * (self._scale * self._turn, -self._scale)

    def _air(self, colour: ArrayLike) -> Array:
        return self._canvas.air(np.array([colour]), [self._depth])[0]

    def fill(self, points: ArrayLike, colour: ArrayLike, label: int) -> None:
        """A filled outline."""
        self._canvas.flat(self._place(points), self._air(colour), label)

    def bar(self, a: ArrayLike, b: ArrayLike, width: float, colour: ArrayLike, label: int) -> None:
        """A limb or tube from `a` to `b`, `width` metres thick and at least one pixel."""
        start, end = self._place(np.array([a, b]))
        along = end - start
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        across *= max(width * self._scale, 1.0) / 2
        outline = [start + across, end + across, end - across, start - across]
        self._canvas.flat(outline, self._air(colour), label)

    def disc(self, middle: ArrayLike, radius: float, colour: ArrayLike, label: int) -> None:
        """A round part, squashed as the figure turns."""
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = np.asarray(middle) + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        self.fill(ring, colour, label)

    def head(self, middle: tuple[float, float], radius: float, rng: Generator, label: int) -> None:
        """Face and hair, round from every side."""
        centre = self._place([middle])
        skin = np.asarray(SKIN[rng.integers(len(SKIN))])
        hair = np.array([60, 45, 35]) * rng.uniform(0.4, 2.2)
        size = radius * self._scale
        centres = np.concatenate([centre, centre - np.array([0.0, 0.35 * size])])
        colours = self._canvas.air([skin, hair], [self._depth, self._depth])
        self._canvas.discs(centres, np.array([size, 0.85 * size]), colours, label)


def _clothes(rng: Generator) -> Array:
    dull = rng.uniform(25, 130) + rng.uniform(-15, 15, 3)
    return dull if rng.random() < 0.7 else rng.uniform(30, 220, 3)


def person(canvas: Canvas, x: float, z: float, rng: Generator) -> None:
    """Somebody walking or standing."""
    child = rng.random() < 0.12
    size = rng.uniform(0.6, 0.8) if child else rng.uniform(0.93, 1.08)
    figure = Figure(canvas, x, z, size, rng.choice([-1, 1]) * rng.uniform(0.7, 1.1))
    if not figure.visible:
        return
    label, top, trousers = IDS["person"], _clothes(rng), _clothes(rng) * 0.8
    stride, hip = rng.uniform(0.0, 0.28), 0.86
    for foot, shade in ((-stride, 0.8), (stride, 1.0)):
        figure.bar((foot * 0.2 - 0.06, hip), (foot - 0.04, 0.04), 0.16, trousers * shade, label)
        figure.bar((foot - 0.08, 0.04), (foot + 0.12, 0.04), 0.09, (35, 30, 30), label)
    hem = 0.55 if rng.random() < 0.25 else 0.82
    torso = [(-0.2, 1.42), (0.2, 1.42), (0.17, hem), (-0.17, hem)]
    figure.bar((-0.2, 1.38), (-0.24 - stride / 2, 0.9), 0.1, top * 0.8, label)
    figure.fill(torso, top, label)
    figure.bar((0.2, 1.38), (0.22 + stride / 2, 0.9), 0.1, top * 0.9, label)
    if rng.random() < 0.3:
        bag = [(0.2, 1.0), (0.42, 1.0), (0.4, 0.68), (0.2, 0.68)]
        figure.fill(bag, _clothes(rng), label)
    figure.head((0.0, 1.6), 0.12, rng, label)


def bicycle(canvas: Canvas, x: float, z: float, ridden: bool, rng: Generator) -> None:
    """A bicycle, parked or with its rider."""
    figure = Figure(canvas, x, z, rng.uniform(0.95, 1.1), _side_view(rng))
    if not figure.visible:
        return
    label, paint = IDS["bicycle"], _clothes(rng)
    for wheel in (-0.52, 0.52):
        figure.disc((wheel, 0.34), 0.34, (40, 40, 42), label)
        figure.disc((wheel, 0.34), 0.27, (128, 130, 130), label)
    frame = [((-0.52, 0.34), (-0.15, 0.85)), ((-0.05, 0.32), (-0.18, 0.95)),
             ((-0.15, 0.8), (0.38, 0.85)), ((-0.05, 0.32), (0.4, 0.8)),
             ((0.52, 0.34), (0.36, 1.02)), ((-0.52, 0.34), (-0.05, 0.32))]  # fmt: skip
    for a, b in frame:
        figure.bar(a, b, 0.06, paint, label)
    figure.bar((-0.3, 0.97), (-0.06, 0.97), 0.08, (30, 30, 30), label)
    figure.bar((0.28, 1.04), (0.46, 1.04), 0.06, (50, 50, 52), label)
    if ridden:
        _rider(figure, (-0.18, 0.98), (0.34, 1.05), rng)


def motorcycle(canvas: Canvas, x: float, z: float, ridden: bool, rng: Generator) -> None:
    """A motorcycle or scooter, parked or with its rider."""
    figure = Figure(canvas, x, z, rng.uniform(0.95, 1.15), _side_view(rng))
    if not figure.visible:
        return
    label, paint = IDS["motorcycle"], _clothes(rng)
    for wheel in (-0.68, 0.68):
        figure.disc((wheel, 0.31), 0.31, (26, 26, 28), label)
        figure.disc((wheel, 0.31), 0.15, (135, 135, 138), label)
    body = [(-0.85, 0.8), (-0.1, 0.78), (0.1, 0.95), (0.5, 0.98), (0.62, 0.6), (0.3, 0.3),
            (-0.4, 0.3), (-0.6, 0.5)]  # fmt: skip
    figure.fill(body, paint, label)
    figure.fill([(-0.35, 0.55), (0.25, 0.55), (0.2, 0.25), (-0.3, 0.25)], (70, 70, 74), label)
    figure.bar((-0.8, 0.84), (-0.1, 0.84), 0.1, (25, 25, 27), label)
    figure.bar((0.68, 0.31), (0.45, 1.1), 0.09, (90, 90, 94), label)
    figure.bar((0.36, 1.1), (0.56, 1.1), 0.08, (40, 40, 42), label)
    if ridden:
        _rider(figure, (-0.25, 0.9), (0.42, 1.08), rng)


def _side_view(rng: Generator) -> float:
    """Two-wheelers are seen from any angle, rarely exactly from behind."""
    return float(rng.choice([-1, 1]) * rng.uniform(0.35, 1.0))


def _rider(
    figure: Figure, seat: tuple[float, float], grip: tuple[float, float], rng: Generator
) -> None:
    label, top, trousers = IDS["rider"], _clothes(rng), _clothes(rng) * 0.8
    x, y = seat
    shoulder = (x + rng.uniform(0.1, 0.25), y + 0.52)
    knee = (x + 0.36, y - 0.22)
    figure.bar(seat, knee, 0.16, trousers, label)
    figure.bar(knee, (x + 0.2, max(y - 0.62, 0.2)), 0.13, trousers * 0.9, label)
    figure.bar(seat, shoulder, 0.34, top, label)
    figure.bar(shoulder, grip, 0.1, top * 0.85, label)
    figure.head((shoulder[0] + 0.06, shoulder[1] + 0.22), 0.13, rng, label)
