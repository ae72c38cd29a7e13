"""Poles and what hangs on them, and the things nobody labels."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from squeezenas.data.street_scenes.canvas import IDS, Canvas
from squeezenas.data.street_scenes.people import Figure

GREY = np.array([118.0, 120.0, 122.0])


def lamp_post(canvas: Canvas, x: float, z: float, rng: Generator) -> None:
    """A tall post with an arm over the road."""
    post = Figure(canvas, x, z, 1.0, 1.0)
    if not post.visible:
        return
    high, tone = rng.uniform(5, 9), GREY * rng.uniform(0.5, 1.2)
    arm = -np.sign(x) * rng.uniform(0.8, 2.0)
    post.bar((0, 0), (0, high), rng.uniform(0.12, 0.2), tone, IDS["pole"])
    post.bar((0, high), (arm, high + 0.3), 0.1, tone, IDS["pole"])
    post.bar((arm, high + 0.3), (arm + 0.4 * np.sign(arm), high + 0.3), 0.18, tone, IDS["pole"])


def bollard(canvas: Canvas, x: float, z: float, rng: Generator) -> None:
    """A knee-high post."""
    post = Figure(canvas, x, z, 1.0, 1.0)
    if post.visible:
        post.bar(
            (0, 0), (0, rng.uniform(0.7, 1.1)), 0.14, GREY * rng.uniform(0.4, 1.4), IDS["pole"]
        )


def traffic_light(canvas: Canvas, x: float, z: float, rng: Generator) -> None:
    """Three lenses in a dark case on a pole, one of them lit."""
    post = Figure(canvas, x, z, 1.0, 1.0)
    if not post.visible:
        return
    high, tone = rng.uniform(2.3, 3.0), GREY * rng.uniform(0.5, 1.1)
    post.bar((0, 0), (0, high + 0.5), 0.13, tone, IDS["pole"])
    places = [(0.0, high)]
    if rng.random() < 0.5:
        reach = -np.sign(x) * rng.uniform(2.0, 3.5)
        post.bar((0, 0), (0, 5.6), 0.16, tone, IDS["pole"])
        post.bar((0, 5.5), (reach, 5.6), 0.12, tone, IDS["pole"])
        places.append((reach, 5.0))
    lit = int(rng.integers(3))
    lenses = ((70, 225, 140), (250, 185, 40), (245, 50, 40))
    for left, low in places:
        case = [(-0.2, 0.0), (0.2, 0.0), (0.2, 1.05), (-0.2, 1.05)]
        post.fill(np.add(case, (left, low)), (32, 36, 34), IDS["traffic light"])
        for index, colour in enumerate(lenses):
            glow = np.asarray(colour) * (1.0 if index == lit else 0.3)
            middle = (left, low + 0.2 + 0.33 * index)
            post.disc(middle, 0.13, glow, IDS["traffic light"])


def sign(canvas: Canvas, x: float, z: float, rng: Generator) -> None:
    """A round, triangular, square or direction sign on a pole; now and then seen from behind."""
    post = Figure(canvas, x, z, 1.0, 1.0)
    if not post.visible:
        return
    high = rng.uniform(2.0, 2.8)
    post.bar((0, 0), (0, high + 0.6), 0.08, GREY, IDS["pole"])
    label = IDS["traffic sign"]
    rim, face = (205, 35, 35), (235, 235, 230)
    kind = rng.choice(["round", "triangle", "square", "board"])
    if kind == "round":
        rim = rim if rng.random() < 0.6 else (30, 80, 170)
        post.disc((0, high + 0.35), 0.34, rim, label)
        post.disc((0, high + 0.35), 0.24, face if rim[0] > 100 else rim, label)
    elif kind == "triangle":
        outer = np.array([(-0.42, 0.0), (0.42, 0.0), (0.0, 0.74)])
        post.fill(outer + np.array([0, high]), rim, label)
        post.fill(outer * 0.62 + np.array([0, high + 0.12]), face, label)
    else:
        wide, tall = (0.34, 0.68) if kind == "square" else (rng.uniform(0.5, 0.9), 0.5)
        back = (30, 80, 170) if rng.random() < 0.6 else (230, 190, 60)
        plate = np.array([(-wide, 0.0), (wide, 0.0), (wide, tall), (-wide, tall)])
        post.fill(plate + np.array([0, high]), back, label)
        post.fill(plate * 0.45 + np.array([0, high + tall * 0.3]), face, label)


def clutter(canvas: Canvas, x: float, z: float, rng: Generator) -> None:
    """A bin, box or stand: `static` in Cityscapes, ignored in training."""
    thing = Figure(canvas, x, z, 1.0, 1.0)
    wide, tall = rng.uniform(0.25, 0.6), rng.uniform(0.7, 1.4)
    if thing.visible:
        outline = [(-wide, 0.0), (wide, 0.0), (wide * 0.9, tall), (-wide * 0.9, tall)]
        thing.fill(outline, rng.uniform(40, 150, 3), IDS["static"])


def bonnet(canvas: Canvas, rng: Generator) -> None:
    """Our own car at the lower edge, with its star on it: `ego vehicle`, ignored in training."""
    height, width = canvas.labels.shape
    x = np.linspace(-1.1, 1.1, 24)
    rise = rng.uniform(0.06, 0.1) * height
    y = height - rise * np.sqrt(np.clip(1 - (x / 1.1) ** 2, 0, 1))
    arc = np.stack([(x + 1) / 2 * width, y], 1)
    shade = (rng.uniform(30, 140),) * 3
    canvas.flat(
        [*arc, (1.1 * width, height + 2), (-0.1 * width, height + 2)], shade, IDS["ego vehicle"]
    )
