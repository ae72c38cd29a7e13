"""Cars, trucks, buses and trams as boxes in space, with windows, lights and wheels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from squeezenas.data.street_scenes.canvas import IDS, Array, Canvas

GLASS = np.array([48.0, 58.0, 70.0])
RUBBER = np.array([28.0, 28.0, 30.0])
FINE = 8.0
"""Pixels a metre below which windows, lamps and wheels are not drawn."""
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)
_ANGLE = np.linspace(0, 2 * np.pi, 14, endpoint=False)
ROUND = 0.5 + 0.5 * np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], 1)

Patch = tuple[float, float, float, float, Array, bool]


@dataclass
class Block:
    """A frustum with its own axes: x forward, y up, z to the right, in metres.

    Attributes:
        bottom, top: `(back x, front x, half width, y)` of the two horizontal faces.
        colour: RGB of the body.
        details: side -> patches `(u0, v0, u1, v1, colour, round)`, u and v in 0..1 from the lower
            left corner of that side seen from outside.
    """

    bottom: tuple[float, float, float, float]
    top: tuple[float, float, float, float]
    colour: Array
    details: dict[str, list[Patch]] = field(default_factory=dict)

    def add(self, side: str, u0: float, v0: float, u1: float, v1: float, colour: ArrayLike) -> None:
        """A rectangle on a side."""
        patch = (u0, v0, u1, v1, np.asarray(colour, float), False)
        self.details.setdefault(side, []).append(patch)

    def wheel(self, x: float, radius: float) -> None:
        """A wheel on both sides, its axle at `x`, standing on the ground."""
        back, front, _, low = self.bottom
        long, high = front - back, self.top[3] - low
        middle, du, dv = (x - back) / long, radius / long, radius / high
        v = (radius - low) / high
        for side, u in (("right", middle), ("left", 1 - middle)):
            for share, colour in ((1.0, RUBBER), (0.5, np.array([120.0, 120.0, 122.0]))):
                patch = (
                    u - share * du,
                    v - share * dv,
                    u + share * du,
                    v + share * dv,
                    colour,
                    True,
                )
                self.details.setdefault(side, []).append(patch)

    def faces(self) -> dict[str, Array]:
        """Corners of each side, `(4, 3)`, anticlockwise from the lower left, seen from outside."""
        (b0, b1, bw, y0), (t0, t1, tw, y1) = self.bottom, self.top
        rows = {
            "back": [(b0, y0, -bw), (b0, y0, bw), (t0, y1, tw), (t0, y1, -tw)],
            "front": [(b1, y0, bw), (b1, y0, -bw), (t1, y1, -tw), (t1, y1, tw)],
            "right": [(b0, y0, bw), (b1, y0, bw), (t1, y1, tw), (t0, y1, tw)],
            "left": [(b1, y0, -bw), (b0, y0, -bw), (t0, y1, -tw), (t1, y1, -tw)],
            "top": [(t0, y1, -tw), (t0, y1, tw), (t1, y1, tw), (t1, y1, -tw)],
        }
        return {side: np.array(corners) for side, corners in rows.items()}


def paint_blocks(
    canvas: Canvas, blocks: list[Block], x: float, z: float, heading: float, label: int
) -> None:
    """Paints blocks that stand at `(x, z)`; heading 0 drives away from us, pi / 2 to the right."""
    cos, sin = np.cos(heading), np.sin(heading)
    # Columns: where the block's forward, up and right axes point in the world.
    turn = np.array([[sin, 0.0, cos], [0.0, 1.0, 0.0], [cos, 0.0, -sin]])
    eye = canvas.camera.eye
    place = np.array([x, 0.0, z])

    def distance(block: Block) -> float:
        middle = turn @ np.array([(block.bottom[0] + block.bottom[1]) / 2, block.bottom[3] * 2, 0])
        return float(np.linalg.norm(middle + place - eye) - 3 * block.bottom[3])

    fine = canvas.camera.focal > FINE * np.linalg.norm(place - eye)
    for block in sorted(blocks, key=distance, reverse=True):
        shapes: list[Array] = []
        colours: list[Array] = []
        middle = turn @ np.array([sum(block.bottom[:2]) / 2, block.top[3] / 2, 0.0]) + place
        for side, local in block.faces().items():
            corners = local @ turn.T + place
            centre = corners.mean(0)
            normal = _normal(corners, centre - middle)
            if normal @ (eye - centre) <= 0:
                continue
            patches = block.details.get(side, []) if fine else []
            light = canvas.shine(normal)
            shapes += [corners, *_patches(corners, patches)]
            colours += [block.colour * light, *(patch[4] * light for patch in patches)]
        canvas.polygons(shapes, colours, label)


def _normal(corners: Array, outwards: Array) -> Array:
    """Unit normal of a face on the side of `outwards`; `np.cross` is slow on one vector."""
    (ax, ay, az), (bx, by, bz) = corners[1] - corners[0], corners[3] - corners[0]
    normal = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    return normal * (np.sign(normal @ outwards) / np.sqrt(normal @ normal))


def _patches(corners: Array, patches: Sequence[Patch]) -> list[Array]:
    """World outlines of the patches of a face."""
    if not patches:
        return []
    outlines = [ROUND if patch[5] else SQUARE for patch in patches]
    placed = [
        np.array([u0, v0]) + outline * (u1 - u0, v1 - v0)
        for (u0, v0, u1, v1, *_), outline in zip(patches, outlines, strict=True)
    ]
    u, v = np.concatenate(placed)[:, :, None].swapaxes(0, 1)
    a, b, c, d = corners
    world = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)
    return np.split(world, np.cumsum([len(outline) for outline in outlines])[:-1])


def _lamps(block: Block, low: float, high: float) -> None:
    for u0, u1 in ((0.04, 0.2), (0.8, 0.96)):
        block.add("back", u0, low, u1, high, (190, 35, 30))
        block.add("front", u0, low, u1, high, (240, 238, 215))
    block.add("back", 0.36, low * 0.6, 0.64, low * 0.6 + 0.16, (215, 215, 205))
    block.add("front", 0.25, 0.1, 0.75, low, (40, 40, 42))


def _paint(rng: Generator) -> Array:
    tones = [(205, 205, 208), (32, 34, 38), (120, 124, 130), (170, 30, 32), (40, 62, 120),
             (225, 225, 220), (70, 75, 80), (60, 90, 70), (190, 160, 60)]  # fmt: skip
    weights = np.array([3, 3, 3, 1.2, 1.5, 2, 2, 0.6, 0.6])
    pick = rng.choice(len(tones), p=weights / weights.sum())
    return np.clip(np.asarray(tones[pick]) * rng.uniform(0.8, 1.15), 0, 255)


def car(canvas: Canvas, x: float, z: float, heading: float, rng: Generator) -> None:
    """A hatchback, saloon, estate or van."""
    shape = rng.choice(["hatch", "saloon", "estate", "van"], p=[0.4, 0.25, 0.2, 0.15])
    long = {"hatch": 3.9, "saloon": 4.5, "estate": 4.6, "van": 4.9}[shape] * rng.uniform(0.95, 1.05)
    wide, belt = rng.uniform(0.82, 0.9), 0.88 if shape != "van" else 1.05
    roof = {"hatch": 1.48, "saloon": 1.42, "estate": 1.5, "van": 1.95}[shape]
    colour, b, f = _paint(rng), -long / 2, long / 2
    body = Block((b, f, wide, 0.22), (b + 0.06, f - 0.12, wide * 0.97, belt), colour)
    _lamps(body, 0.55, 0.85)
    body.add("back", 0.0, 0.0, 1.0, 0.14, RUBBER * 1.6)
    for axle in (b + 0.78, f - 0.82):
        body.wheel(axle, 0.31)
    rear = {"hatch": 0.1, "saloon": 0.85, "estate": 0.08, "van": 0.05}[shape]
    lean = {"hatch": 0.45, "saloon": 0.55, "estate": 0.3, "van": 0.08}[shape]
    nose = 0.75 if shape == "van" else 1.1
    cabin = Block(
        (b + rear, f - nose, wide * 0.95, belt),
        (b + rear + lean, f - nose - 0.7, wide * 0.78, roof),
        colour * 0.97,
    )
    cabin.add("back", 0.1, 0.12, 0.9, 0.9, GLASS)
    cabin.add("front", 0.06, 0.06, 0.94, 0.92, GLASS * 1.15)
    for side in ("left", "right"):
        if shape != "van" or rng.random() < 0.5:
            cabin.add(side, 0.08, 0.12, 0.48, 0.86, GLASS)
        cabin.add(side, 0.52, 0.12, 0.92, 0.86, GLASS)
    paint_blocks(canvas, [body, cabin], x, z, heading, IDS["car"])


def truck(canvas: Canvas, x: float, z: float, heading: float, rng: Generator) -> None:
    """A cab in front of a box, a tarpaulin or a flat bed."""
    long, high = rng.uniform(5.5, 9.0), rng.uniform(2.8, 3.8)
    b, f = -long / 2, long / 2
    paint = _paint(rng)
    load = (
        paint if rng.random() < 0.4 else rng.choice([215.0, 150.0, 90.0]) + rng.uniform(-25, 25, 3)
    )
    cab = Block((f - 1.8, f, 1.15, 0.5), (f - 1.8, f - 0.2, 1.1, min(high, 2.7)), paint)
    cab.add("front", 0.06, 0.5, 0.94, 0.9, GLASS)
    cab.add("front", 0.1, 0.05, 0.9, 0.3, RUBBER * 1.8)
    for side, u in (("right", 0.3), ("left", 0.15)):
        cab.add(side, u, 0.5, u + 0.55, 0.88, GLASS)
    cab.wheel(f - 0.9, 0.48)
    bed = Block((b, f - 1.95, 1.2, 0.95), (b, f - 1.95, 1.2, high), np.asarray(load, float))
    bed.add("back", 0.49, 0.0, 0.51, 1.0, np.asarray(load) * 0.6)
    for u in np.linspace(0.1, 0.9, 6):
        for side in ("left", "right"):
            bed.add(side, u, 0.0, u + 0.012, 1.0, np.asarray(load) * 0.8)
    frame = Block((b, f - 1.8, 0.9, 0.5), (b, f - 1.8, 0.95, 0.95), RUBBER * 1.7)
    frame.add("back", 0.02, 0.2, 0.2, 0.8, (190, 35, 30))
    frame.add("back", 0.8, 0.2, 0.98, 0.8, (190, 35, 30))
    for axle in (b + 1.0, b + 2.1):
        frame.wheel(axle, 0.48)
    paint_blocks(canvas, [frame, bed, cab], x, z, heading, IDS["truck"])


def bus(canvas: Canvas, x: float, z: float, heading: float, rng: Generator) -> None:
    """A city bus: one long box, a band of windows, doors."""
    long = rng.uniform(9.5, 12.5)
    body = _coach(long, 3.05, _paint(rng), rng, floor=0.35)
    for axle in (-long / 2 + 2.4, long / 2 - 2.2):
        body.wheel(axle, 0.48)
    for u in (0.06, 0.45):
        body.add("right", 1 - u - 0.12, 0.05, 1 - u, 0.84, GLASS * 0.8)
    _lamps(body, 0.16, 0.24)
    paint_blocks(canvas, [body], x, z, heading, IDS["bus"])


def train(canvas: Canvas, x: float, z: float, heading: float, rng: Generator) -> None:
    """A tram: cars coupled behind each other, windows like a bus, no wheels to see."""
    colour, section = _paint(rng), rng.uniform(8.0, 12.0)
    high, count = rng.uniform(3.2, 3.7), int(rng.integers(2, 4))
    blocks = []
    for index in range(count):
        middle = (index - (count - 1) / 2) * (section + 0.4)
        body = _coach(section, high, colour, rng, floor=0.25)
        body.bottom = (body.bottom[0] + middle, body.bottom[1] + middle, *body.bottom[2:])
        body.top = (body.top[0] + middle, body.top[1] + middle, *body.top[2:])
        body.add("left", 0.0, 0.0, 1.0, 0.12, RUBBER * 2)
        body.add("right", 0.0, 0.0, 1.0, 0.12, RUBBER * 2)
        blocks.append(body)
    gear = blocks[0].top[0] + section / 2
    blocks.append(
        Block((gear, gear + 1.2, 0.7, high), (gear, gear + 1.2, 0.7, high + 0.4), RUBBER * 2)
    )
    paint_blocks(canvas, blocks, x, z, heading, IDS["train"])


def _coach(long: float, high: float, colour: Array, rng: Generator, floor: float) -> Block:
    """The body that buses and trams share."""
    b, f = -long / 2, long / 2
    body = Block((b, f, 1.24, floor), (b + 0.1, f - 0.15, 1.18, high), colour)
    stripe = _paint(rng)
    for side in ("left", "right"):
        body.add(side, 0.0, 0.12, 1.0, rng.uniform(0.2, 0.3), stripe)
        body.add(side, 0.02, 0.42, 0.98, 0.82, GLASS)
        for u in np.arange(0.14, 0.95, 0.12):
            body.add(side, u, 0.42, u + 0.012, 0.82, colour * 0.8)
    body.add("front", 0.05, 0.38, 0.95, 0.84, GLASS * 1.1)
    body.add("front", 0.25, 0.87, 0.75, 0.95, (235, 165, 60))
    body.add("back", 0.12, 0.48, 0.88, 0.82, GLASS)
    return body
