"""Texts of language modelling."""

from __future__ import annotations

from pathlib import Path

from squeezenas.core.recipes import load_dataset
from squeezenas.data.text import read_corpus
from tests.fuzz.target import Target


def _corpus(path: Path) -> object:
    splits = "{train: [train.txt], val: [train.txt], test: [train.txt]}"
    root = path.parent
    return read_corpus(
        load_dataset(["datasets=ptb", f"datasets.root={root}", f"datasets.splits={splits}"])
    )


TARGETS = [
    Target(
        "text",
        _corpus,
        lambda: [b"the cat sat\non the <unk>\n\nthe end\n"],
        ("text",),
        "train.txt",
        covers=("data.text",),
    ),
]
