"""What lines the street: house fronts, walls, fences, hedges, trees."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from squeezenas.data.street_scenes.canvas import IDS, NEAR, Array, Canvas

Texture = NDArray[np.uint8]
PIXELS_A_METRE = 8
FIRST = 3 * NEAR
"""z at which a surface beside the camera starts."""


def house(
    canvas: Canvas, x: float, start: float, end: float, height: float, rng: Generator
) -> None:
    """A house with its front on the line `x` from z `start` to `end`, and its gable towards us."""
    side = 1 if x > 0 else -1
    base = _plaster(rng)
    if start > FIRST:
        left, right = sorted((x, x + side * 12.0))
        gable = np.array(
            [(left, height, start), (right, height, start), (right, 0, start), (left, 0, start)]
        )
        if canvas.sees(gable):
            light = canvas.shine(np.array([0.0, 0.0, -1.0]))
            canvas.surface(gable, _facade(12.0, height, base, rng), IDS["building"], light)
    if canvas.sees(np.array([(x, 0, max(start, FIRST)), (x, 0, end)])):
        front = _facade(end - start, height, base, rng)
        _along(canvas, x, start, end, height, front, IDS["building"])


def wall(canvas: Canvas, x: float, start: float, end: float, rng: Generator) -> None:
    """A garden or retaining wall: the colours of houses, without windows."""
    height = rng.uniform(1.4, 3.4)
    texture = _flat_texture(end - start, height, _plaster(rng) * rng.uniform(0.75, 1.0))
    tall, wide = texture.shape[:2]
    if rng.random() < 0.6:
        for row in range(0, tall, 4):
            texture[row] = texture[row] * 0.8
            texture[row : row + 4, (row % 8) :: 8] = texture[row : row + 4, (row % 8) :: 8] * 0.85
    else:
        texture[:, :: max(8, wide // 12)] = texture[:, :: max(8, wide // 12)] * 0.75
    texture[:2] = np.clip(texture[:2] * 1.25, 0, 255)
    _along(canvas, x, start, end, height, texture, IDS["wall"])


def fence(canvas: Canvas, x: float, start: float, end: float, rng: Generator) -> None:
    """Bars with something behind them; the label covers the gaps, as in Cityscapes."""
    height = rng.uniform(1.0, 2.3)
    wood = np.array([135, 105, 75]) if rng.random() < 0.5 else np.full(3, rng.uniform(50, 140))
    colour = wood * rng.uniform(0.7, 1.25)
    texture = np.dstack([_flat_texture(end - start, height, colour), _blank(end - start, height)])
    tall = texture.shape[0]
    texture[..., 3] = rng.choice([30, 70, 120])
    step = int(rng.choice([3, 4, 6]))
    texture[:, ::step, 3] = 255
    if step > 3:
        texture[:, 1::step, 3] = 255
    for row in (0, 1, tall // 2, tall - 2):
        texture[row, :, 3] = 255
    texture[:, :: 8 * step, :3] = texture[:, :: 8 * step, :3] * 0.6
    _along(canvas, x, start, end, height, texture, IDS["fence"])


def hedge(canvas: Canvas, x: float, start: float, end: float, rng: Generator) -> None:
    """A row of bushes."""
    height = rng.uniform(0.9, 3.2)
    count = int(min(100, 9 * (end - start)) * min(1.0, 16 / max(start, 1.0)) + 12)
    z = -np.sort(-rng.uniform(max(start, FIRST), max(end, FIRST + 0.5), count))
    y = rng.uniform(0, height, count)
    points = np.stack([x + rng.uniform(-0.5, 0.5, count), y, z], 1)
    _leaves(canvas, points, rng.uniform(0.25, 0.65, count), y / height, rng)


def tree(canvas: Canvas, x: float, z: float, rng: Generator) -> None:
    """Trunk and crown, both vegetation."""
    height = rng.uniform(4, 10)
    trunk = rng.uniform(0.1, 0.22)
    low = height * rng.uniform(0.25, 0.45)
    stem = [(x - trunk, 0, z), (x + trunk, 0, z), (x + trunk, low + 1, z), (x - trunk, low + 1, z)]
    bark = np.array([85, 70, 55]) * rng.uniform(0.6, 1.2)
    canvas.polygons([np.array(stem)], [bark], IDS["vegetation"])
    count = int(np.clip(1000 / max(z, 1.0), 18, 80))
    around = rng.standard_normal((count, 3))
    around *= (rng.random(count) ** 0.4 / np.linalg.norm(around, axis=1))[:, None]
    radius, middle = (height - low) / 2, (height + low) / 2
    points = around * (radius * rng.uniform(0.6, 0.9), radius, 0.5) + (x, middle, z)
    order = np.argsort(-points[:, 2])
    share = (around[order, 1] + 1) / 2
    _leaves(canvas, points[order], rng.uniform(1.4, 3.2, count) / count**0.5 * radius, share, rng)


def treeline(canvas: Canvas, start: float, end: float, z: float, rng: Generator) -> None:
    """A wood far away, from x `start` to `end`."""
    count = 60
    x = rng.uniform(start, end, count)
    top = 6 + 5 * np.sin(x * 0.11 + rng.uniform(0, 6)) + rng.uniform(0, 3, count)
    y = rng.uniform(0, 1, count) * top
    _leaves(canvas, np.stack([x, y, np.full(count, z)], 1), np.full(count, 3.5), y / top, rng)


def _leaves(canvas: Canvas, points: Array, radii: Array, share: Array, rng: Generator) -> None:
    """Clumps of leaves: dark below, bright above, each of its own green."""
    view = canvas.camera.view(points)
    seen = view[:, 2] > NEAR
    view, radii, share = view[seen], radii[seen], share[seen]
    if not len(view):
        return
    green = np.array([rng.uniform(55, 105), rng.uniform(85, 120), rng.uniform(35, 65)])
    bright = 0.5 + 0.6 * share + rng.uniform(-0.18, 0.18, len(view))
    colours = canvas.air(green * bright[:, None], view[:, 2])
    sizes = radii * canvas.camera.focal / view[:, 2]
    canvas.discs(canvas.camera.pixels(view), sizes, colours, IDS["vegetation"])


def _along(
    canvas: Canvas, x: float, start: float, end: float, height: float, texture: Texture, label: int
) -> None:
    """An upright surface parallel to the road."""
    near = max(start, FIRST + abs(np.sin(canvas.camera.yaw) * x) * 2)
    if end <= near + 0.2:
        return
    seen = texture[:, int(texture.shape[1] * (near - start) / (end - start)) :]
    corners = [(x, height, near), (x, height, end), (x, 0, end), (x, 0, near)]
    light = canvas.shine(np.array([-np.sign(x), 0.0, 0.0]))
    canvas.surface(corners, seen, label, light)


def _plaster(rng: Generator) -> Array:
    tones = [(196, 180, 150), (170, 110, 85), (150, 150, 150), (205, 200, 190), (140, 95, 75),
             (120, 125, 135), (190, 165, 120)]  # fmt: skip
    return np.asarray(tones[rng.integers(len(tones))]) * rng.uniform(0.7, 1.1)


def _blank(length: float, height: float) -> Texture:
    shape = (max(4, int(height * PIXELS_A_METRE)), max(4, int(length * PIXELS_A_METRE)))
    return np.zeros(shape, np.uint8)


def _flat_texture(length: float, height: float, colour: Array) -> Texture:
    texture = np.empty((*_blank(length, height).shape, 3), np.uint8)
    texture[:] = np.clip(colour, 0, 255)
    return texture


def _facade(length: float, height: float, base: Array, rng: Generator) -> Texture:
    """Rows of windows over a ground floor of doors and shop windows."""
    texture = _flat_texture(length, height, base)
    tall, wide = texture.shape[:2]
    storey = int(rng.uniform(2.7, 3.4) * PIXELS_A_METRE)
    bay = int(rng.uniform(1.8, 3.2) * PIXELS_A_METRE)
    window_h, window_w = int(storey * rng.uniform(0.4, 0.6)), int(bay * rng.uniform(0.35, 0.65))
    glass = np.array([62, 74, 88]) * rng.uniform(0.6, 1.5)
    frame = np.clip(base * rng.choice([0.7, 1.25]), 0, 255).tolist()
    lefts = range(bay // 3, wide - window_w, bay)
    for sill in range(tall - storey, 0, -storey):
        texture[sill : sill + 1] = texture[sill : sill + 1] * 0.75
        panes = _panes(glass, len(lefts), rng)
        panes[rng.random(len(lefts)) < 0.06] = (235, 205, 140)
        top = sill - storey // 4 - window_h
        for left, pane in zip(lefts, panes.tolist(), strict=True):
            corner, opposite = (left, top), (left + window_w, top + window_h)
            cv2.rectangle(texture, corner, opposite, pane, -1)
            cv2.rectangle(texture, corner, opposite, frame, 1)
    shop = rng.random() < 0.5
    top = tall - int(storey * (0.78 if shop else 0.6))
    doors = (rng.random(len(lefts)) < 0.25).tolist()
    panes = _panes(glass, len(lefts), rng)
    for left, pane, door in zip(lefts, panes.tolist(), doors, strict=True):
        bottom = tall - (2 if shop or door else storey // 3)
        cv2.rectangle(texture, (left, top), (left + window_w, bottom), pane, -1)
    if shop:
        band = rng.uniform(40, 220, 3)
        texture[tall - storey : tall - int(storey * 0.82)] = band
    texture[:2] = texture[:2] * 0.7
    return texture


def _panes(glass: Array, count: int, rng: Generator) -> Array:
    """Colours of `count` windows that mirror different things."""
    return np.minimum(glass * rng.uniform(0.6, 1.5, (count, 1)), 255)
