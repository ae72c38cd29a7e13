"""Which frames teach the weights, which the architecture, which choose, which report."""

from __future__ import annotations

from typing import NamedTuple

from squeezenas.core.config import Select
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.data.frames import Frame, assert_disjoint, frames, split_by_hash


class SearchFrames(NamedTuple):
    """The four parts of a data set. Under `protocol=paper` the last two are the same frames."""

    weights: list[Frame]
    architecture: list[Frame]
    selection: list[Frame]
    report: list[Frame]


def search_frames(card: DatasetCard, select: Select) -> SearchFrames:
    """Divides a data set for a search, by hash of the frame names.

    clean: train gives disjoint frames for weights, architecture and selection; val reports. paper:
    train gives two halves; val chooses and reports (arXiv:1908.01748, section 4).

    Raises:
        FileNotFoundError, ValueError: the data set is missing, faulty, or too small to divide.
    """
    train, val = frames(card, "train"), frames(card, "val")
    held_out = select.held_out if select.protocol == "clean" else 0.0
    learning = (1 - held_out) / 2
    shares = {"weights": learning, "architecture": learning, "selection": held_out}
    parts = split_by_hash(train, {name: share for name, share in shares.items() if share > 0})
    selection = parts.get("selection", val)
    if select.images:
        selection = selection[: select.images]
    result = SearchFrames(parts["weights"], parts["architecture"], selection, val)
    assert_disjoint(result.weights, result.architecture, result.selection)
    assert_disjoint(result.weights, result.architecture, result.report)
    if select.protocol == "clean":
        assert_disjoint(result.selection, result.report)
    return result
