"""Segments of a text for truncated backpropagation through time (BPTT).

A text is folded into columns, `batch_size` contiguous parts read side by side, and a segment is
some time steps of all of them. The hidden state goes on from segment to segment, so the order is
that of the text. As everywhere here a step is a number: which segment it reads follows from it and
the seed.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezenas.data.loaders import Batch

IGNORED = -100
"""The label of what is no word: what PyTorch's cross-entropy leaves out."""

HALVED = 0.05
"""Probability of a segment of half the length (AWD-LSTM, arXiv:1708.02182, section 4.1)."""
LONGER = 20
"""No segment is drawn longer than this beyond bptt, as in the code of DARTS."""


class TextStream:
    """An endless stream of segments of random length that can start at any step.

    Lengths are drawn as in AWD-LSTM (arXiv:1708.02182, section 4.1): around `bptt`, now and then
    around half of it. So that every epoch has `steps_per_epoch` segments and reads the text once,
    an epoch's lengths are then stretched by one factor, near 1, to end where the columns do.

    Args:
        tokens: the text, int64 positions in the vocabulary.
        batch_size: columns over all processes (N); words left over at the end are not read.
        bptt: typical length of a segment.
        seed: seed of the lengths.
        rank: number of this process.
        world_size: number of processes; each gets a contiguous slice of the columns.

    Raises:
        ValueError: the text is too short, or the columns do not divide by the number of processes.
    """

    def __init__(
        self,
        tokens: Tensor,
        batch_size: int,
        bptt: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size % world_size:
            raise ValueError(
                f"batch_size {batch_size} does not divide by {world_size} processes; "
                f"use a multiple of {world_size}"
            )
        self._length = (len(tokens) - 1) // batch_size
        if self._length < bptt:
            raise ValueError(
                f"a text of {len(tokens)} words in {batch_size} columns has {self._length} a "
                f"column, fewer than bptt={bptt}; lower batch_size or bptt"
            )
        share = batch_size // world_size
        columns = slice(rank * share, (rank + 1) * share)
        used = batch_size * self._length
        self._words, self._next = (
            part.view(batch_size, self._length)[columns].t().contiguous()
            for part in (tokens[:used], tokens[1 : used + 1])
        )
        self._bptt, self._seed = bptt, seed
        self.steps_per_epoch = self._length // bptt
        self._bounds = functools.lru_cache(maxsize=2)(self._draw_bounds)

    def batches(self, start_step: int = 0) -> Iterator[Batch]:
        """Segments of the steps `start_step`, `start_step + 1`, ... without end.

        The first one after a resumption need not begin the columns: the hidden state is part of
        what a checkpoint holds.
        """
        for step in itertools.count(start_step):
            epoch, number = divmod(step, self.steps_per_epoch)
            start, end = self._bounds(epoch)[number : number + 2].tolist()
            yield Batch(self._words[start:end], self._next[start:end], (), number == 0)

    def _draw_bounds(self, epoch: int) -> NDArray[np.int64]:
        """Where the segments of an epoch begin, and the last one ends."""
        rng, count = np.random.default_rng([self._seed, epoch]), self.steps_per_epoch
        typical = np.where(rng.random(count) < HALVED, self._bptt / 2, self._bptt)
        # A deviation of 5 is for bptt from 35 to 70; short segments would vary too much.
        drawn = rng.normal(typical, min(5.0, self._bptt / 7))
        lengths = drawn.clip(min(5, self._bptt / 2), self._bptt + LONGER)
        # One word each, so that none is empty, and the others by the lengths drawn.
        shares = lengths.cumsum() * ((self._length - count) / lengths.sum())
        return np.arange(count + 1) + np.concatenate([[0], shares.round().astype(np.int64)])


def text_batches(tokens: Tensor, batch_size: int, bptt: int) -> Iterator[Batch]:
    """A whole text in order: every word but the first is predicted exactly once.

    With one column each word is predicted from all before it, whatever `bptt` is. With more, the
    first words of a column lack what came before; the columns have one length, so the last may end
    in labels that are `IGNORED`.

    Args:
        tokens: the text, int64.
        batch_size: columns.
        bptt: words of a column that a segment has.

    Raises:
        ValueError: the text has not as many words to predict as there are columns.
    """
    count = len(tokens) - 1
    length = -(-count // batch_size)
    if length * (batch_size - 1) >= count:
        raise ValueError(
            f"a text of {len(tokens)} words is too short for {batch_size} columns; use fewer"
        )
    padding = length * batch_size - count
    words = torch.cat([tokens[:-1], tokens.new_zeros(padding)]).view(batch_size, length).t()
    labels = torch.cat([tokens[1:], tokens.new_full((padding,), IGNORED)])
    labels = labels.view(batch_size, length).t()
    for start in range(0, length, bptt):
        segment = slice(start, start + bptt)
        yield Batch(words[segment], labels[segment], (), start == 0)
