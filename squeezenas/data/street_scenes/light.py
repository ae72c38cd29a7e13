"""Weather, sky and sensor: what makes two pictures of one street differ."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from squeezenas.data.street_scenes.canvas import IDS, RGB, Canvas

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Light:
    """Zenith and horizon RGB of the sky, RGB gain and gamma of the exposure, and the sun.

    `shadow` is the brightness of a cast shadow (1: none), `sight` in metres as in `Canvas`.
    """

    zenith: RGB
    horizon: RGB
    gain: RGB
    gamma: float
    shadow: float
    sight: float
    sun: RGB
    clouds: float


def draw_light(rng: Generator) -> Light:
    """A sunny, overcast, hazy or dusky hour."""
    kind = rng.choice(["sun", "overcast", "haze", "dusk"], p=[0.4, 0.3, 0.15, 0.15])
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.1)
    flat = np.cos(height)
    sun = (float(np.sin(azimuth) * flat), float(np.sin(height)), float(np.cos(azimuth) * flat))
    warmth = rng.uniform(-0.06, 0.06)
    exposure = rng.uniform(0.95, 1.25)
    tint = (exposure * (1 + warmth), exposure, exposure * (1 - warmth))
    if kind == "sun":
        blue = rng.uniform(0.8, 1.0)
        zenith = (80 * blue, 130 * blue, 205 * blue)
        return Light(zenith, (205, 220, 235), tint, 1.0, rng.uniform(0.45, 0.65), 260.0, sun, 0.5)
    if kind == "dusk":
        dim = (0.82 * tint[0], 0.7 * tint[1], 0.72 * tint[2])
        return Light((70, 80, 125), (245, 185, 140), dim, 1.15, 0.75, 170.0, sun, 0.6)
    grey = rng.uniform(165, 225)
    sight = 75.0 if kind == "haze" else 190.0
    dull = (0.9 * tint[0], 0.9 * tint[1], 0.92 * tint[2])
    return Light((grey - 18, grey - 10, grey), (grey + 14,) * 3, dull, 1.0, 0.85, sight, sun, 0.25)


def noise(rng: Generator, height: int, width: int, cell: float) -> NDArray[np.float32]:
    """Smooth noise in -1..1 whose bumps are about `cell` pixels wide, `(height, width)`."""
    small = (max(2, int(height / cell) + 1), max(2, int(width / cell) + 1))
    coarse = rng.uniform(-1, 1, small).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth.astype(np.float32, copy=False)


def paint_sky(canvas: Canvas, light: Light, rng: Generator) -> None:
    """Fills everything above the horizon with a gradient and clouds."""
    height, width = canvas.camera.first_ground_row, canvas.camera.width
    rise = np.linspace(1, 0, height)[:, None, None]
    colour = np.asarray(light.horizon) * (1 - rise) + np.asarray(light.zenith) * rise
    veil = noise(rng, height, width, height / 1.5) + 0.5 * noise(rng, height, width, height / 4)
    cover = np.clip(veil[..., None] * light.clouds, 0, 0.8)
    canvas.image[:height] = np.minimum(colour * (1 - cover) + 245 * cover, 255)
    canvas.labels[:height] = IDS["sky"]


_ROUGHNESS = {
    "road": 0.035, "sidewalk": 0.045, "building": 0.05, "wall": 0.09, "fence": 0.06,
    "vegetation": 0.14, "terrain": 0.12, "person": 0.06, "rider": 0.06,
}  # fmt: skip


def develop(canvas: Canvas, light: Light, rng: Generator, factor: int) -> tuple[Picture, Picture]:
    """The finished picture: surface texture, exposure, lens, sensor; `factor` times smaller.

    Returns:
        Image `(H, W, 3)` uint8 RGB and label ids `(H, W)` uint8.
    """
    height, width = canvas.labels.shape
    table = np.full(256, 0.02, np.float32)
    table[[IDS[name] for name in _ROUGHNESS]] = list(_ROUGHNESS.values())
    grain = rng.standard_normal((height, width), np.float32)
    grain += 1.5 * noise(rng, height, width, 5 * factor)
    image = canvas.image * (1 + table[canvas.labels] * grain)[..., None]
    small = (width // factor, height // factor)
    image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    y, x = np.meshgrid(np.linspace(-1, 1, small[1]), np.linspace(-1, 1, small[0]), indexing="ij")
    vignette = 1 - rng.uniform(0, 0.2) * (x**2 + y**2) / 2
    image = 255 * np.clip(image * np.asarray(light.gain) / 255, 0, 1) ** light.gamma
    image *= vignette[..., None]
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.8) * np.sqrt(small[1] / 128))
    image += rng.standard_normal(image.shape, np.float32) * rng.uniform(1.5, 6.0)
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return pixels, np.ascontiguousarray(canvas.labels[factor // 2 :: factor, factor // 2 :: factor])
