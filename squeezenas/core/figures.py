"""The figures that networks are ranked by: what they are called, and which way is up."""

from __future__ import annotations

import math
from typing import NamedTuple


class Figure(NamedTuple):
    """A figure of a task.

    Args:
        label: for people.
        higher_is_better: which way is up.
        percent: whether it is a share, 0..1.
    """

    label: str
    higher_is_better: bool = True
    percent: bool = True

    def text(self, value: float, digits: int = 2) -> str:
        """`62.69%` or `55.70`."""
        return f"{value:.{digits}%}" if self.percent else f"{value:.{digits}f}"

    def merit(self, value: float) -> float:
        """The value, or minus it where lower is better: more is always better.

        What is not a number ranks last; compared as it is it would rank anywhere.
        """
        if math.isnan(value):
            return -math.inf
        return value if self.higher_is_better else -value


FIGURES = {
    "miou": Figure("mIoU"),
    "top1": Figure("top-1 accuracy"),
    "perplexity": Figure("perplexity", higher_is_better=False, percent=False),
}
