"""What all pictures share: colours for the colour-blind, quiet axes, files whole or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008).
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#9A9A9A"
INK, FAINT = "#222222", "#DDDDDD"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this many inches, without pyplot and its global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")


def quiet(axes: Axes, title: str = "") -> None:
    """Only the axes that carry a scale, in ink that does not shout."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8, length=3, color=GREY)
    axes.set_title(title, fontsize=9.5, color=INK, loc="left")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes the picture, a `.png` or an `.svg`, in one step; equal pictures are equal files.

    Raises:
        OSError: it could not be written; an old picture is untouched.
    """
    partial = path.with_name(f".{path.name}.partial")
    form = path.suffix.removeprefix(".")
    # Neither matplotlib's version nor the time; text in an SVG is text.
    unsaid = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    from matplotlib import rc_context

    try:
        with rc_context({"svg.hashsalt": "squeezenas", "svg.fonttype": "none"}):
            figure.savefig(partial, format=form, metadata=unsaid)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise type(error)(
            f"cannot write picture {path}: {error.strerror}; free some space or fix its permissions"
        ) from error
