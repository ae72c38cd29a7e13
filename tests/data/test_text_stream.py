import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from squeezenas.data.text_stream import IGNORED, TextStream, text_batches

TEXT = torch.arange(5001)


def first(stream, count, start=0):
    return list(itertools.islice(stream.batches(start), count))


def same(a, b):
    return torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) and a[2:] == b[2:]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_reads_every_column_once_in_order(bptt, columns, seed):
    stream = TextStream(TEXT, columns, bptt, seed)
    length = 5000 // columns
    assert stream.steps_per_epoch == length // bptt
    for epoch in range(2):
        start = epoch * stream.steps_per_epoch
        batches = first(stream, stream.steps_per_epoch, start)
        assert all(len(batch.images) for batch in batches)
        assert [batch.begins for batch in batches] == [True] + [False] * (len(batches) - 1)
        words = torch.cat([batch.images for batch in batches])
        assert torch.equal(words.t().flatten(), TEXT[: columns * length])
        assert torch.equal(torch.cat([batch.labels for batch in batches]), words + 1)


def test_lengths_are_those_of_the_papers():
    stream = TextStream(torch.zeros(400_001, dtype=torch.int64), 4, 35, seed=1)
    lengths = np.array([len(batch.images) for batch in first(stream, stream.steps_per_epoch)])
    assert abs(lengths.mean() - 35) < 0.1
    halves = lengths < 22  # 82 % of those around 17.5, 0.5 % of the others
    assert 0.03 < halves.mean() < 0.06
    assert abs(np.median(lengths[halves]) - 17) < 2
    assert 4.5 < lengths[~halves].std() < 5.5


def test_epochs_and_seeds_differ():
    def lengths(seed, epoch):
        stream = TextStream(TEXT, 4, 20, seed)
        batches = first(stream, stream.steps_per_epoch, epoch * stream.steps_per_epoch)
        return [len(batch.images) for batch in batches]

    assert lengths(0, 0) == lengths(0, 0)
    assert len({tuple(lengths(*key)) for key in [(0, 0), (0, 1), (1, 0), (1, 1)]}) == 4


@pytest.mark.parametrize("start", [1, 17, 62, 63, 200])
def test_it_starts_at_any_step(start):
    stream = TextStream(TEXT, 4, 20, seed=5)
    assert stream.steps_per_epoch == 62
    whole = first(stream, start + 5)[start:]
    again = first(TextStream(TEXT, 4, 20, seed=5), 5, start)
    assert all(same(a, b) for a, b in zip(whole, again, strict=True))


def test_processes_share_the_columns():
    whole = first(TextStream(TEXT, 6, 20, seed=5), 70)
    parts = [first(TextStream(TEXT, 6, 20, 5, rank, 3), 70) for rank in range(3)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([share.images for share in shares], 1), batch.images)
        assert torch.equal(torch.cat([share.labels for share in shares], 1), batch.labels)
        assert {share.begins for share in shares} == {batch.begins}


def test_a_text_that_is_too_short():
    with pytest.raises(ValueError, match=r"100 words in 4 columns has 24 a column, .* bptt=35"):
        TextStream(TEXT[:100], 4, 35, 0)
    assert TextStream(TEXT[:141], 4, 35, 0).steps_per_epoch == 1


def test_columns_that_do_not_divide():
    with pytest.raises(ValueError, match="batch_size 5 does not divide by 2 processes"):
        TextStream(TEXT, 5, 35, 0, 0, 2)


@settings(deadline=None)
@given(st.integers(2, 90), st.integers(1, 9), st.integers(1, 30))
def test_every_word_but_the_first_is_predicted_once(count, columns, bptt):
    tokens = TEXT[:count]
    if -(-(count - 1) // columns) * (columns - 1) >= count - 1:  # a column would be empty
        with pytest.raises(ValueError, match="too short"):
            list(text_batches(tokens, columns, bptt))
        return
    batches = list(text_batches(tokens, columns, bptt))
    words = torch.cat([batch.images for batch in batches]).t().flatten()
    labels = torch.cat([batch.labels for batch in batches]).t().flatten()
    counted = labels != IGNORED
    assert torch.equal(labels[counted], tokens[1:])
    assert torch.equal(words[counted], tokens[:-1])
    assert [batch.begins for batch in batches] == [True] + [False] * (len(batches) - 1)
