"""Text as numbers: the vocabulary of a data set, and its splits as positions in it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from squeezenas.core.dataset_card import DatasetCard, SplitName
from squeezenas.core.reading import read_bytes

END = "<eos>"
"""Follows the words of every line, an empty one too."""
UNKNOWN = "<unk>"
"""Stands for words that the training text does not have, if it has this one."""
MOST_BYTES = 1 << 30
"""Of a file; the largest, the train split of WikiText-103, has half of it."""
LONGEST_WORD = 10_000
"""Characters; only what is no text of words has more."""


class Corpus(NamedTuple):
    """The text of a data set.

    Args:
        words: the vocabulary, in the order of first appearance in the train split.
        parts: the text of each split, int64 positions in the vocabulary.
        unknown: how many words of each split were not in the vocabulary and became `<unk>`.
    """

    words: tuple[str, ...]
    parts: dict[SplitName, Tensor]
    unknown: dict[SplitName, int]


def read_corpus(card: DatasetCard) -> Corpus:
    """All splits of a card of layout `text`: UTF-8 files, words apart by white space.

    A split of several files is their texts one after another.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: there is no train split, a split has no words, a file is not UTF-8, too large,
            or no text, or it has a word that the train split has not, which has no `<unk>` either;
            names file and line.
    """
    if "train" not in card.splits:
        raise ValueError(
            f"{card.name} has no split train, and its vocabulary is the words of train; add it to "
            "datasets.splits"
        )
    positions: dict[str, int] = {}
    parts: dict[SplitName, Tensor] = {}
    unknown: dict[SplitName, int] = {}
    for split in sorted(card.splits, key=lambda name: name != "train"):
        parts[split], unknown[split] = _encoded(card, split, positions)
    return Corpus(tuple(positions), parts, unknown)


def _encoded(card: DatasetCard, split: SplitName, positions: dict[str, int]) -> tuple[Tensor, int]:
    """A split as positions, and how many of its words are unknown; train adds its words."""
    tokens, unknown = array("q"), 0
    for path in (card.root / name for name in card.splits[split]):
        for number, words in enumerate(_lines(path, card), 1):
            for word in words:
                if word in positions:
                    tokens.append(positions[word])
                elif split == "train":
                    tokens.append(positions.setdefault(word, len(positions)))
                elif UNKNOWN in positions:
                    tokens.append(positions[UNKNOWN])
                    unknown += 1
                else:
                    raise ValueError(
                        f"{path}, line {number}: {word!r} is no word of the split train, nor is "
                        f"{UNKNOWN}, which would stand for it; correct the word, or write "
                        f"{UNKNOWN} for rare words of train"
                    )
    if len(set(tokens)) < 2:  # ends of lines alone
        names = ", ".join(str(card.root / name) for name in card.splits[split])
        raise ValueError(f"{names or card.name}: split {split} has no words; get the text again")
    return torch.frombuffer(tokens, dtype=torch.int64), unknown


def _lines(path: Path, card: DatasetCard) -> Iterator[list[str]]:
    """The words of each line, and the end of the line."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {card.how_to_get}")
    content = read_bytes(path, MOST_BYTES)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        number, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        raise ValueError(
            f"{path}, line {number}: byte {byte:#04x} is not UTF-8; convert the file"
        ) from error
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        words = line.split()
        if words and len(longest := max(words, key=len)) > LONGEST_WORD:
            raise ValueError(
                f"{path}, line {number}: a word of {len(longest):,} characters; is this a text of "
                "words apart by white space?"
            )
        yield [*words, END]
