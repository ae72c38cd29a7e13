"""Where a run belongs: beside the search that found its network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from squeezenas.core.model_card import ModelCard, card_text

Job = Literal["search", "train", "evaluate"]


@dataclass(frozen=True)
class Lineage:
    """What a run does, and with what it began.

    Attributes:
        job: what it does.
        group: name of the search, which everything that is made of its network shares.
        card: name of the network that it began with; empty in a search.
        sha256: of that card's text.
        search: how trackers know the search, by their names (`Sink.identity`).
    """

    job: Job
    group: str
    card: str = ""
    sha256: str = ""
    search: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def descent(card: ModelCard, job: Job, name: str) -> Lineage:
    """The lineage of a run that begins with a network.

    Args:
        card: the network; one that a search found says so in its provenance.
        job: what the run does with it.
        name: of the run, which is a group of its own where no search is known.
    """
    sha256 = hashlib.sha256(card_text(card).encode()).hexdigest()
    tracked = card.search.get("tracking")
    known = tracked if isinstance(tracked, Mapping) else {}
    group = str(card.search.get("run", name))
    return Lineage(job, group, card.name, sha256, known)
