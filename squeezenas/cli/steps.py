"""What a step of a search or a training sees, in words."""

from __future__ import annotations

from squeezenas.core.config import Feed
from squeezenas.core.dataset_card import DatasetCard


def batch_text(feed: Feed, card: DatasetCard) -> str:
    """`16 images 768x768`, or `64 columns of about 35 words`."""
    if card.task == "language":
        return f"{feed.batch_size} columns of about {feed.bptt} words"
    return f"{feed.batch_size} images {feed.crop[0]}x{feed.crop[1]}"
