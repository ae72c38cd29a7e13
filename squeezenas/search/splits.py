"""Which samples teach the weights, which the architecture, which choose, which report."""

from __future__ import annotations

from typing import NamedTuple

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.search_config import Select
from squeezenas.data.feed import Part, divide, first, read_part, require_disjoint


class SearchParts(NamedTuple):
    """The four parts of a data set. Under `protocol=paper` the last two are the same samples."""

    weights: Part
    architecture: Part
    selection: Part
    report: Part


def search_parts(card: DatasetCard, select: Select) -> SearchParts:
    """Divides a data set for a search: images by hash of their names, a text in three pieces.

    clean: train gives disjoint samples for weights, architecture and selection; val reports. paper:
    train gives two halves; val chooses and reports (arXiv:1908.01748, section 4); of a text, train
    teaches the weights, and val the architecture too (arXiv:1806.09055, section 3.1.2).

    Raises:
        FileNotFoundError, ValueError: the data set is missing, faulty, or too small to divide.
    """
    train, val = read_part(card, "train"), read_part(card, "val")
    if card.task == "language" and select.protocol == "paper":
        return SearchParts(train, val, first(val, select.images), val)
    held_out = select.held_out if select.protocol == "clean" else 0.0
    learning = (1 - held_out) / 2
    shares = {"weights": learning, "architecture": learning, "selection": held_out}
    parts = divide(train, {name: share for name, share in shares.items() if share > 0})
    selection = parts.get("selection", val)
    selection = first(selection, select.images)
    result = SearchParts(parts["weights"], parts["architecture"], selection, val)
    require_disjoint(result.weights, result.architecture, result.selection)
    require_disjoint(result.weights, result.architecture, result.report)
    if select.protocol == "clean":
        require_disjoint(result.selection, result.report)
    return result
