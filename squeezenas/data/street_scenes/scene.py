"""Putting a street together: who lives beside it, who stands on it, who drives along it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from squeezenas.data.street_scenes import furniture, people, roadside, vehicles
from squeezenas.data.street_scenes.canvas import IDS, Camera, Canvas
from squeezenas.data.street_scenes.ground import Street, draw_street, paint_ground
from squeezenas.data.street_scenes.light import Light, Picture, develop, draw_light, paint_sky

SUPERSAMPLING = 2
FAR = 110.0
"""Metres to which the street is lined."""

Thing = tuple[float, float, float, float, Callable[[], None]]
"""x, z, half width and half length of the footprint in metres, and how to paint it."""


def draw_scene(height: int, width: int, rng: Generator) -> tuple[Picture, Picture]:
    """A street: RGB image `(height, width, 3)`, official label ids `(height, width)`, uint8."""
    street, light = draw_street(rng), draw_light(rng)
    canvas = Canvas(
        _camera(height * SUPERSAMPLING, width * SUPERSAMPLING, street, rng),
        light.horizon,
        light.sight,
        light.sun,
    )
    paint_sky(canvas, light, rng)
    paint_ground(canvas, street, light, rng)
    _line_street(canvas, street, rng)
    things = [*_standing(canvas, street, rng), *_driving(canvas, street, rng)]
    _cast_shadows(canvas, things, light)
    for *_, paint in sorted(things, key=lambda thing: -thing[1]):
        paint()
    if rng.random() < 0.5:
        furniture.bonnet(canvas, rng)
    return develop(canvas, light, rng, SUPERSAMPLING)


def _camera(height: int, width: int, street: Street, rng: Generator) -> Camera:
    return Camera(
        height,
        width,
        focal=width * rng.uniform(0.75, 1.05),
        column=width * rng.uniform(0.45, 0.55),
        horizon=height * rng.uniform(0.36, 0.47),
        x=street.lane / 2 + rng.uniform(-0.5, 0.5),
        y=rng.uniform(1.25, 1.65),
        yaw=rng.uniform(-0.1, 0.1),
    )


def _line_street(canvas: Canvas, street: Street, rng: Generator) -> None:
    """Both sides, far things first, and what closes the view at the end."""
    roadside.treeline(canvas, -160, 160, FAR + 60, rng)
    for _ in range(6):
        x = rng.uniform(-70, 70)
        start = FAR + rng.uniform(0, 40)
        roadside.house(canvas, x, start, start + 15, rng.uniform(6, 22), rng)
    for side in (-1, 1):
        for start, end in reversed(_plots(street, rng)):
            _build(canvas, street, side, start, end, rng)


def _plots(street: Street, rng: Generator) -> list[tuple[float, float]]:
    plots, z = [], -6.0
    while z < FAR:
        end = z + rng.uniform(7, 20)
        if street.crossing and z < street.crossing[1] and end > street.crossing[0]:
            plots.append((z, street.crossing[0] - 0.5))
            end = street.crossing[1] + 0.5
        else:
            plots.append((z, end))
        z = end
    return [(start, end) for start, end in plots if end - start > 1.5]


def _build(
    canvas: Canvas, street: Street, side: int, start: float, end: float, rng: Generator
) -> None:
    """One plot: a house or greenery at its back, perhaps a wall, fence or hedge in front of it."""
    line = street.line(side)
    kind = rng.choice(["house", "open", "wall", "fence"], p=[0.62, 0.16, 0.11, 0.11])
    if kind == "house":
        roadside.house(canvas, line, start, end, rng.uniform(5, 19), rng)
    else:
        back = line + side * rng.uniform(2, 8)
        if rng.random() < 0.4:
            roadside.house(canvas, back + side * 6, start, end, rng.uniform(4, 12), rng)
        for z in np.sort(rng.uniform(max(start, 4), max(end, 6), 3))[::-1]:
            roadside.tree(canvas, back, float(z), rng)
        roadside.hedge(canvas, back, start, end, rng)
    border = street.edge(side) + side * (street.walk[side > 0] + 0.15)
    if kind in ("wall", "fence"):
        {"wall": roadside.wall, "fence": roadside.fence}[kind](canvas, border, start, end, rng)
    elif street.green[side > 0] and rng.random() < 0.55:
        hide = (roadside.fence, roadside.hedge, roadside.wall)[rng.choice(3, p=[0.45, 0.4, 0.15])]
        hide(canvas, border, start, end, rng)


def _standing(canvas: Canvas, street: Street, rng: Generator) -> list[Thing]:
    """Everything on the sidewalks, and who crosses the road."""
    things: list[Thing] = []

    def put(x: float, z: float, half: float, draw: Callable[..., None], *more: object) -> None:
        own = np.random.default_rng(rng.integers(2**32))
        things.append((x, z, half, half, lambda: draw(canvas, x, z, *more, own)))

    for side in (-1, 1):
        kerb, walk = street.edge(side), street.walk[side > 0]
        spacing, first = rng.uniform(12, 28), rng.uniform(6, 16)
        row = rng.choice(["lamps", "trees", "both", "none"], p=[0.35, 0.2, 0.25, 0.2])
        for z in np.arange(first, 75, spacing):
            if row in ("lamps", "both"):
                put(kerb + side * 0.4, float(z), 0.1, furniture.lamp_post)
            if row in ("trees", "both"):
                put(kerb + side * 0.9, float(z + spacing / 2), 1.2, roadside.tree)
        for _ in range(rng.poisson(2.2)):
            near = float(rng.uniform(5, 36))
            for _ in range(rng.integers(1, 4)):
                x = kerb + side * rng.uniform(0.3, walk)
                put(x, near + rng.uniform(-1, 1), 0.25, people.person)
        for _ in range(rng.poisson(0.9)):
            put(kerb + side * 0.35, float(rng.uniform(9, 40)), 0.1, furniture.sign)
        if rng.random() < 0.25:
            put(
                kerb + side * rng.uniform(0.5, walk),
                float(rng.uniform(6, 30)),
                0.3,
                furniture.clutter,
            )
        if rng.random() < 0.2:
            for z in np.arange(rng.uniform(5, 9), rng.uniform(12, 30), 1.8):
                put(kerb + side * 0.25, float(z), 0.08, furniture.bollard)
        for draw, chance in ((people.bicycle, 0.3), (people.motorcycle, 0.16)):
            if rng.random() < chance:
                start = rng.uniform(5, 24)
                for index in range(rng.integers(1, 4)):
                    x = kerb + side * (0.6 + 0.2 * index)
                    put(x, float(start + 0.8 * index), 0.4, draw, False)
        if street.crossing:
            z = street.crossing[0] - rng.uniform(0, 1.5)
            if rng.random() < 0.75:
                put(kerb + side * 0.5, z, 0.1, furniture.traffic_light)
    if street.crossing and rng.random() < 0.5:
        for _ in range(rng.integers(1, 5)):
            z = street.crossing[0] - rng.uniform(1, 4)
            put(rng.uniform(-street.half, street.half), z, 0.25, people.person)
    return things


def _driving(canvas: Canvas, street: Street, rng: Generator) -> list[Thing]:
    """Trams, cross traffic, both directions, parked cars, riders; none inside another."""
    things: list[Thing] = []
    density = rng.uniform(0.2, 1.0)

    def put(
        draw: Callable[..., None], x: float, z: float, half: tuple[float, float], *how: object
    ) -> None:
        own = np.random.default_rng(rng.integers(2**32))
        clear = all(
            abs(x - t[0]) > half[0] + t[2] or abs(z - t[1]) > half[1] + t[3] for t in things
        )
        if clear:
            things.append((x, z, *half, lambda: draw(canvas, x, z, *how, own)))

    if street.tram is not None and rng.random() < 0.75:
        heading = 0.0 if street.tram > 0 else np.pi
        put(vehicles.train, street.tram, rng.uniform(24, 55), (1.3, 16.0), heading)
    if street.crossing and rng.random() < 0.5:
        draw, long = _traffic(rng)
        heading = rng.choice([-1, 1]) * np.pi / 2
        put(draw, rng.uniform(-9, 9), sum(street.crossing) / 2, (long, 1.1), heading)
    for side in (-1, 1):
        heading = 0.0 if side > 0 else np.pi
        z = rng.uniform(6, 30)
        while z < 80:
            draw, long = _traffic(rng)
            x = side * street.lane / 2 + rng.uniform(-0.3, 0.3)
            put(draw, x, z + long, (1.1, long), heading + rng.normal(0, 0.03))
            z += 2 * long + rng.uniform(4, 16) / density
        z = rng.uniform(4, 16)
        while z < 70 and rng.random() < 0.97 * density**0.1:
            clear = not street.crossing or not -4 < z - street.crossing[0] < 17
            if clear and rng.random() < density:
                put(vehicles.car, street.edge(side) - side * 1.05, z, (0.95, 2.2), heading)
            z += rng.uniform(5.2, 7.5)
        if rng.random() < 0.45:
            draw = people.bicycle if rng.random() < 0.6 else people.motorcycle
            x = street.edge(side) - side * rng.uniform(0.5, 2.4)
            put(draw, x, rng.uniform(6, 24), (0.35, 0.8), True)
    return things


def _traffic(rng: Generator) -> tuple[Callable[..., None], float]:
    """A kind of vehicle and half its length in metres."""
    kind = rng.choice(3, p=[0.74, 0.14, 0.12])
    return ((vehicles.car, 2.2), (vehicles.truck, 4.0), (vehicles.bus, 5.8))[kind]


def _cast_shadows(canvas: Canvas, things: list[Thing], light: Light) -> None:
    """Dark ground under and beside everything that stands on it."""
    brush = Canvas(canvas.camera, (0, 0, 0), 1e9, light.sun)
    away = -np.array([light.sun[0], light.sun[2]]) * 0.9
    shapes = []
    for x, z, half_x, half_z, _ in things:
        foot = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (half_x, half_z) + (x, z)
        shifted = foot + away * min(half_x, 0.9)
        shapes += [np.insert(points, 1, 0.01, axis=1) for points in (foot, shifted)]
    brush.polygons(shapes, np.zeros((len(shapes), 3)), 1)
    flat = np.isin(canvas.labels, [IDS[name] for name in ("road", "sidewalk", "terrain")])
    ground = (brush.labels > 0) & flat
    canvas.image[ground] = canvas.image[ground] * min(light.shadow, 0.7)
