"""A space of four choices of three options, the last of which skips, and what a search believes."""

from __future__ import annotations

from types import SimpleNamespace

from squeezenas.core.architecture import Choice

KEYS = [f"unit{number}" for number in range(4)]
SPACE = SimpleNamespace(
    skip="skip", choices=[Choice(key, ("a", "b", "skip")) for key in KEYS]
)  # all that is asked of one here


def _rows(*rows: list[float]) -> dict[str, list[float]]:
    return dict(zip(KEYS, rows, strict=True))


UNDECIDED, SKIPPING, OTHER = [0.3, 0.4, 0.3], [0.3, 0.3, 0.4], [0.4, 0.3, 0.3]
ROWS = {
    "undecided": _rows(*[UNDECIDED] * 4),
    "uniform": _rows(*[[1 / 3] * 3] * 4),
    "half_skipping": _rows(SKIPPING, SKIPPING, OTHER, OTHER),
    "skipping": _rows(OTHER, SKIPPING, SKIPPING, SKIPPING),
    "decided": _rows(*[[0.999, 0.0005, 0.0005]] * 4),
}
