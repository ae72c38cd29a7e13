"""What a search believed, epoch by epoch: a heat map of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from squeezenas.report.page.plot import Plot, axis, layout, plain
from squeezenas.report.page.reading import Rows, RunFolder

EPOCHS = 200
"""Epochs that are kept."""


def heat_map(run: RunFolder) -> tuple[Plot, Plot] | None:
    """The last distribution as a figure, and all that are kept for the slider.

    Returns:
        The figure, and `epochs` (counted from 1) with `z`, a matrix (options, choices) for each.
    """
    history = run.probabilities
    if not history or not history[-1]:
        return None
    keys = list(history[-1])
    count = max(len(row) for rows in history for row in rows.values())
    if not count:
        return None
    options = _options(run, keys, count)
    stride = -(-len(history) // EPOCHS)
    kept = list(range(len(history) - 1, -1, -stride))[::-1]
    z = [_matrix(history[epoch], keys, count) for epoch in kept]
    top = max([p for matrix in z for row in matrix for p in row if p is not None], default=1.0)
    # The same in all epochs, and an even distribution never lies above the middle of the colours.
    scale = {
        "title": {"text": "probability", "side": "right"}, "thickness": 12, "outlinewidth": 0,
    }  # fmt: skip
    cells: Plot = {
        "type": "heatmap", "x": [plain(key) for key in keys],
        "y": [plain(option) for option in options], "z": z[-1],
        "zmin": 0, "zmax": min(max(top, 2 / count), 1.0), "colorscale": "Cividis",
        "xgap": 1, "ygap": 1,
        "colorbar": scale, "hoverongaps": False,
        "hovertemplate": "%{x}, %{y}: %{z:.3f}<extra></extra>",
    }  # fmt: skip
    likely: Plot = {
        "type": "scatter", "mode": "markers", "hoverinfo": "skip", "showlegend": False,
        "x": cells["x"], "y": [], "marker": {
            "symbol": "circle-open", "size": 11, "color": "#D55E00", "line": {"width": 2},
        },
    }  # fmt: skip
    ends = [-0.5, len(keys) - 0.5]
    x = axis("choice", type="category", tickangle=-60, showgrid=False, range=ends)
    y = axis("", type="category", range=[count - 0.5, -0.5], showgrid=False)
    figure = {"data": [cells, likely], "layout": layout(26 * count + 130, x, y)}
    return figure, {"epochs": [epoch + 1 for epoch in kept], "z": z}


def _options(run: RunFolder, keys: Sequence[str], count: int) -> list[str]:
    """Names of the rows; by number where choices have options of different names."""
    choices = {choice.key: choice.options for choice in run.space.choices} if run.space else {}
    longest = max((choices.get(key, ()) for key in keys), key=len)
    same = all(choices.get(key, ()) == longest[: len(choices.get(key, ()))] for key in keys)
    if same and len(longest) == count:
        return list(longest)
    return [f"option {number}" for number in range(count)]


def _matrix(rows: Rows, keys: Sequence[str], count: int) -> list[list[float | None]]:
    columns = [rows.get(key, []) for key in keys]
    return [
        [round(p, 4) if i < len(column) and (p := column[i]) is not None else None
         for column in columns]
        for i in range(count)
    ]  # fmt: skip
