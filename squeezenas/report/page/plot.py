"""What the report's Plotly figures share. They are plain data, drawn by the page's script.

Colours are names of the page's CSS properties, such as `--blue`: the script puts the colours in
when it draws, so that they follow the reader's light or dark theme. `scattergl` is not used: WebGL
traces compile code, which the page's content policy forbids.
"""

from __future__ import annotations

import html
from typing import Any

from squeezenas.core.figures import Figure
from squeezenas.report.page.plain import number

COLOURS = ("--blue", "--vermilion", "--green", "--orange", "--purple", "--sky")

Plot = dict[str, Any]


def plain(label: str) -> str:
    """Text that Plotly does not take for its kind of HTML."""
    return html.escape(label, quote=False)


def axis(title: str, **more: Any) -> Plot:
    """An axis with a title that is never cut off."""
    return {
        "title": {"text": plain(title), "standoff": 8}, "automargin": True, "zeroline": False,
        "gridcolor": "--grid", "linecolor": "--line", "tickcolor": "--line", **more,
    }  # fmt: skip


def layout(height: int, x: Plot, y: Plot, **more: Any) -> Plot:
    """What all figures have in common."""
    return {
        "height": height, "autosize": True, "hovermode": "closest", "dragmode": "zoom",
        "margin": {"l": 48, "r": 12, "t": 30, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "--ink", "size": 12, "family": "system-ui, sans-serif"},
        "hoverlabel": {
            "bgcolor": "--card", "bordercolor": "--line",
            "font": {"color": "--ink", "size": 12}, "align": "left",
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "--grey", "activecolor": "--ink"},
        "xaxis": x, "yaxis": y, **more,
    }  # fmt: skip


def label_of(figure: Figure) -> str:
    """The figure's name with its unit."""
    return f"{figure.label} (%)" if figure.percent else figure.label


def scaled(figure: Figure, value: float | None) -> float | None:
    """As it is shown: shares in percent."""
    return number(100 * value) if value is not None and figure.percent else value
