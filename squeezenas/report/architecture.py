"""The architecture as a strip of boxes, one a unit, as SqueezeNAS (arXiv:1908.01748) shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from squeezenas.report.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    new_figure,
    quiet,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KERNEL_COLOURS = {3: BLUE, 5: ORANGE, 7: GREEN}


def draw_architecture(
    path: Path,
    options: Sequence[str],
    keys: Sequence[str],
    shapes: Sequence[tuple[int, int, int]],
    title: str = "",
) -> None:
    """Draws one network: height is expansion, colour kernel, hatching dilation, a thin line a skip.

    Args:
        path: the PNG file.
        options: the option of each unit, such as `k3_e6_g1_d2` or `skip`; other texts are
            written out.
        keys: name of each unit.
        shapes: `(C, H, W)` that each unit reads.
        title: what stands above.

    Raises:
        OSError: the file could not be written.
    """
    units = [_parts(option) for option in options]
    tallest = max([unit.get("e", 1) for unit in units], default=1)
    figure = new_figure(max(0.54 * len(units) + 1.2, 7), 3.6)
    axes = figure.add_subplot()
    quiet(axes, title)
    for position, (option, unit) in enumerate(zip(options, units, strict=True)):
        _draw_unit(axes, position, option, unit, tallest)
    _mark_shapes(axes, shapes, tallest)
    axes.set_xlim(-0.7, len(units) - 0.3)
    axes.set_ylim(-0.02 * tallest, 1.25 * tallest)
    axes.set_xticks(range(len(keys)), [_short(key) for key in keys])
    axes.set_xlabel("unit", fontsize=8.5, color=INK)
    axes.set_ylabel("expansion", fontsize=8.5, color=INK)
    axes.set_yticks(sorted({unit["e"] for unit in units if "e" in unit}))
    _legend(axes, units)
    save_figure(figure, path)


def _parts(option: str) -> dict[str, int]:
    """`k3_e6` -> `{"k": 3, "e": 6}`; empty for an option that is not written so."""
    found = re.findall(r"(?:^|_)([a-z])(\d+)(?=_|$)", option)
    return {letter: int(number) for letter, number in found}


def _short(key: str) -> str:
    """The number of `unit07`, which is all that an axis has room for."""
    number = re.search(r"\d+$", key)
    return str(int(number.group())) if number else key


def _draw_unit(axes: Axes, position: int, option: str, unit: dict[str, int], tallest: int) -> None:
    from matplotlib.patches import Rectangle

    if option == "skip":
        axes.plot([position - 0.42, position + 0.42], [0, 0], color=GREY, lw=3, clip_on=False)
        axes.text(position, 0.04 * tallest, "skip", ha="center", fontsize=7, color=INK)
        return
    height = unit.get("e", tallest)
    colour = KERNEL_COLOURS.get(unit.get("k", 0), PURPLE)
    hatched = unit.get("d", 1) > 1
    body = Rectangle((position - 0.42, 0), 0.84, height, facecolor=colour, edgecolor="white", lw=0)
    body.set_hatch("////" if hatched else "")
    axes.add_patch(body)
    if unit:
        label = "\n".join(f"{letter}{unit[letter]}" for letter in "kegd" if _telling(unit, letter))
    else:
        label = option.replace("_", "\n")
    # Beside a low box the label stands on it, where it has room.
    inside = height >= 0.12 * tallest * (label.count("\n") + 1)
    axes.text(
        position,
        height / 2 if inside else height + 0.02 * tallest,
        label,
        ha="center",
        va="center" if inside else "bottom",
        fontsize=7.5,
        color="black",
        linespacing=1.1,
        bbox={"facecolor": "white", "alpha": 0.85, "lw": 0, "pad": 1.2} if inside else None,
    )


def _telling(unit: dict[str, int], letter: str) -> bool:
    """Kernel and expansion always; groups and dilation when they are not 1."""
    return letter in unit and (letter in "ke" or unit[letter] > 1)


def _mark_shapes(axes: Axes, shapes: Sequence[tuple[int, int, int]], tallest: int) -> None:
    """Above the boxes, what the units read: a row of resolutions and a row of channels."""
    for (height, width), first, last in _spans([shape[1:] for shape in shapes]):
        _bracket(axes, first, last, 1.17 * tallest, f"{height} x {width}")
        if first:
            axes.axvline(first - 0.5, ymax=0.87, color=GREY, lw=1, ls=":", zorder=0)
    for (channels, _), first, last in _spans([(shape[0], shape[1]) for shape in shapes]):
        _bracket(axes, first, last, 1.06 * tallest, f"{channels}")


def _spans(values: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], int, int]]:
    """Runs of equal values: the value, its first and its last position."""
    first = 0
    for value, run in groupby(values):
        length = len(list(run))
        yield value, first, first + length - 1
        first += length


def _bracket(axes: Axes, first: int, last: int, height: float, text: str) -> None:
    axes.plot([first - 0.42, last + 0.42], [height, height], color=GREY, lw=1)
    axes.text((first + last) / 2, height, text, fontsize=7, color=INK, ha="center", va="bottom")


def _legend(axes: Axes, units: Sequence[dict[str, int]]) -> None:
    from matplotlib.patches import Patch

    kernels = sorted({unit["k"] for unit in units if "k" in unit})
    handles = [
        Patch(facecolor=KERNEL_COLOURS.get(kernel, PURPLE), label=f"kernel {kernel} x {kernel}")
        for kernel in kernels
    ]
    if any(unit.get("d", 1) > 1 for unit in units):
        handles.append(Patch(facecolor="white", edgecolor=INK, hatch="////", label="dilated"))
    if handles:
        axes.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize=8,
            title="on top: input height x width,\nchannels\ng: groups, d: dilation",
            title_fontsize=7.5,
            alignment="left",
        )
