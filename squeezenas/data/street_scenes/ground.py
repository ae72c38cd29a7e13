"""The street itself: its cross-section, and the ground at every pixel below the horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from squeezenas.data.street_scenes.canvas import IDS, Array, Canvas
from squeezenas.data.street_scenes.light import Light, noise

ROAD, WALK, GRASS, SLAB_JOINT, KERB, PAINT, RAIL = range(7)
MATERIAL_IDS = ("road", "sidewalk", "terrain", "sidewalk", "sidewalk", "road", "road")


@dataclass(frozen=True)
class Street:
    """Metres, x measured from the middle of the road.

    Attributes:
        half: half width of the road.
        lane: width of one lane.
        walk: widths of the left and the right sidewalk.
        front: distances of the left and the right building line from the middle.
        green: whether grass lies between sidewalk and building line, left and right.
        crossing: near and far z of a cross street; `None` where there is none.
        tram: x of the middle of a tram track; `None` where there is none.
    """

    half: float
    lane: float
    walk: tuple[float, float]
    front: tuple[float, float]
    green: tuple[bool, bool]
    crossing: tuple[float, float] | None
    tram: float | None

    def edge(self, side: int) -> float:
        """Where the kerb of a side (-1 left, 1 right) is, as x."""
        return side * self.half

    def line(self, side: int) -> float:
        """Where the building line of a side (-1 left, 1 right) is, as x."""
        return side * self.front[side > 0]


def draw_street(rng: Generator) -> Street:
    """A road of two to four lanes, perhaps with a cross street, perhaps with tram tracks."""
    lanes = int(rng.choice([2, 3, 4], p=[0.55, 0.2, 0.25]))
    lane = rng.uniform(3.0, 3.6)
    half = lanes * lane / 2 + rng.choice([0.2, 2.2])
    walk = (rng.uniform(1.8, 5.0), rng.uniform(1.8, 5.0))
    yards = rng.choice([0.0, 2.5, 6.0], size=2, p=[0.4, 0.3, 0.3]) * rng.uniform(0.7, 1.3, 2)
    near = rng.uniform(14, 45)
    crossing = (near, near + rng.uniform(8, 14)) if rng.random() < 0.5 else None
    tram = rng.choice([-1, 1]) * lane / 2 if rng.random() < 0.25 else None
    front = (half + walk[0] + yards[0], half + walk[1] + yards[1])
    green = (bool(yards[0] > 1), bool(yards[1] > 1))
    return Street(half, lane, walk, front, green, crossing, tram)


def paint_ground(canvas: Canvas, street: Street, light: Light, rng: Generator) -> None:
    """Road with markings, kerbs, sidewalks, grass, and the shade of houses."""
    first = canvas.camera.first_ground_row
    x, z, depth = canvas.camera.ground()
    material = _materials(x, z, street, rng)
    shades = _shades(rng)[material]
    shades *= 1 + 0.08 * noise(rng, len(depth), depth.shape[1], len(depth) / 3)[..., None]
    shades[_house_shade(x, z, street, light, rng)] *= light.shadow
    clear = np.exp(-depth / canvas.sight)[..., None]
    shades = shades * clear + canvas.haze * (1 - clear)
    canvas.image[first:] = np.minimum(shades, 255)
    canvas.labels[first:] = np.array([IDS[name] for name in MATERIAL_IDS], np.uint8)[material]


def _shades(rng: Generator) -> Array:
    """RGB of each material, `(7, 3)`; the road's and the sidewalk's greys may be close."""
    asphalt = rng.uniform(82, 128) + rng.uniform(-5, 5, 3)
    stone = rng.uniform(112, 172) + rng.uniform(-9, 9, 3)
    grass = np.array([rng.uniform(85, 135), rng.uniform(112, 145), rng.uniform(55, 80)])
    paint = np.full(3, rng.uniform(175, 230))
    return np.stack([asphalt, stone, grass, stone * 0.82, stone * 1.15, paint, asphalt * 0.62])


def _materials(x: Array, z: Array, street: Street, rng: Generator) -> NDArray[np.uint8]:
    right = (x > 0).astype(int)
    beyond = np.abs(x) - street.half
    across = np.zeros(x.shape, bool)
    if street.crossing:
        across = (z > street.crossing[0]) & (z < street.crossing[1])
    paved = (beyond < np.asarray(street.walk)[right]) | ~np.asarray(street.green)[right]
    material = np.where(paved, WALK, GRASS).astype(np.uint8)
    slab = rng.uniform(0.6, 1.5)
    joints = ((np.mod(z, slab) < 0.06) | (np.mod(x, slab) < 0.06)) & paved & (z < 25)
    material[joints] = SLAB_JOINT
    road = (beyond < 0) | across
    material[road] = ROAD
    if street.tram is not None:
        material[(np.abs(np.abs(x - street.tram) - 0.72) < 0.06) & road] = RAIL
    material[_markings(x, z, street, rng) & (beyond < 0) & ~across] = PAINT
    material[(np.abs(beyond - 0.1) < 0.1) & ~across] = KERB
    return material


def _markings(x: Array, z: Array, street: Street, rng: Generator) -> NDArray[np.bool_]:
    """Lane lines, and a zebra crossing with a stop line before a cross street."""
    phase, dash = rng.uniform(0, 6), rng.uniform(2, 4)
    line = np.zeros(x.shape, bool)
    lanes = int(2 * street.half / street.lane)
    dashed = np.mod(z + phase, 2 * dash) < dash
    for index in range(1, lanes):
        near = np.abs(x - (index - lanes / 2) * street.lane) < 0.08
        line |= near if index * 2 == lanes and lanes > 2 else near & dashed
    if street.crossing and rng.random() < 0.8:
        stop = street.crossing[0] - 1.0
        zebra = (z > stop - 3.2) & (z < stop) & (np.mod(x, 1.0) < 0.5)
        halt = (z > stop - 4.4) & (z < stop - 4.0) & (x > 0)
        line = (line & (z < stop - 3.2)) | zebra | halt
    return line


def _house_shade(
    x: Array, z: Array, street: Street, light: Light, rng: Generator
) -> NDArray[np.bool_]:
    """Where house fronts keep the sun off the street: from the sun's side, in steps along z."""
    sun_x, sun_y, _ = light.sun
    side = 1 if sun_x > 0 else -1
    heights = rng.choice([2.0, 7.0, 10.0, 14.0], size=32)
    roof = heights[np.clip(z / 9.0 + 3, 0, 31).astype(int)]
    return side * (street.line(side) - x) < roof * abs(sun_x) / max(sun_y, 0.2)
