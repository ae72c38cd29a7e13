import itertools
import random

import numpy as np
import pytest

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import make_space
from squeezenas.predictors.encoding import graphs, one_hot, token_sequences, vocabulary
from tests.strategies.ask_tell import ToyChain
from tests.strategies.toy import Toy, enumerated


def distinct(encoded):
    return len({row.tobytes() for row in encoded})


def test_one_hot_picks_are_those_of_scikit_learn():
    from sklearn.preprocessing import OneHotEncoder

    space = ToyChain(3, 2, 4)
    every = enumerated(space)
    picks = np.array([architecture.picks for architecture in every])
    theirs = OneHotEncoder(sparse_output=False).fit_transform(picks)
    assert np.array_equal(one_hot(space, every), theirs)


@pytest.mark.parametrize("encode", [one_hot, token_sequences])
def test_encodings_tell_all_architectures_apart_shorter_ones_too(encode):
    space = ToyChain(3, 2, 4)
    every = [
        Architecture(space.name, picks)
        for length in range(4)
        for picks in itertools.product(*map(range, (3, 2, 4)[:length]))
    ]
    assert distinct(encode(space, every)) == len(every) == 1 + 3 + 6 + 24


def test_graphs_tell_all_architectures_apart():
    space = ToyChain(3, 2, 4)
    every = enumerated(space)
    operations = ["input", *vocabulary(space), "output"]
    adjacency, kinds = graphs(space, every, operations)
    assert distinct(kinds) == 24
    assert adjacency.shape == (24, 5, 5)


def test_tokens_are_words_by_hand():
    space = make_space("enas_macro", {"layers": 3})
    words = vocabulary(space)
    architecture = space.sample(random.Random(0))
    tokens = token_sequences(space, [architecture])[0]
    named = [c.options[p] for c, p in zip(space.choices, architecture.picks, strict=True)]
    assert [words[token - 1] for token in tokens] == named
    shorter = Architecture(space.name, architecture.picks[:3])
    assert token_sequences(space, [shorter])[0].tolist() == [*tokens[:3], 0, 0, 0]


def test_blocks_are_averaged_whatever_their_number():
    space = ToyChain(2, 3, 2, 3)  # two blocks of two choices
    longer = Architecture(space.name, (0, 2, 1, 2))
    shorter = Architecture(space.name, (1, 0))
    first, second = one_hot(space, [longer, shorter], block=2).tolist()
    # In a block: option0 or option1, then option0, option1 or option2.
    assert first == [0.5, 0.5, 0, 0, 1]
    assert second == [0, 1, 1, 0, 0]


def test_graphs_are_padded_and_strangers_marked():
    space = make_space("darts_cell")
    rng = random.Random(0)
    architectures = [space.sample(rng) for _ in range(8)]
    texts = [space.graph(architecture) for architecture in architectures]
    operations = ["input", "output", "sep_conv_3x3"]
    adjacency, kinds = graphs(space, architectures, operations)
    for (edges, names), matrix, row in zip(texts, adjacency, kinds, strict=True):
        size = len(names)
        assert matrix[:size, :size].tolist() == edges
        assert not matrix[size:].any()
        assert not matrix[:, size:].any()
        known = [operations.index(name) if name in operations else -1 for name in names]
        assert row.tolist() == known + [-2] * (len(row) - size)


def test_a_space_without_graphs_is_told():
    space = Toy(2, 2)
    with pytest.raises(ValueError, match="toy_choices gives a graph without nodes"):
        graphs(space, enumerated(space), [])
    with pytest.raises(ValueError, match="a graph is of all 2 picks"):
        graphs(space, [Architecture(space.name, (0,))], [])
