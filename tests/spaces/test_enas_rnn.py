import itertools
import math

import pytest

from squeezenas.core.model_card import read_model_card
from squeezenas.core.space import make_space, spaces
from squeezenas.nn.recurrent_cell import Node

SPACE = spaces["enas_rnn"]()


def test_size_and_the_papers_formula():
    assert SPACE.size() * 12 == 4**12 * math.factorial(12)
    assert round(math.log10(SPACE.size())) == 15
    toy = make_space("enas_rnn", {"nodes": 3})
    options = [range(len(choice.options)) for choice in toy.choices]
    assert len({toy.architecture(picks) for picks in itertools.product(*options)}) == toy.size()
    assert toy.size() == 4**3 * 2


def test_integers_both_ways():
    space = make_space("enas_rnn", {"nodes": 4})
    architecture = space.read(["2 0 0  0 3 1 1"])
    assert space.write(architecture) == ["2 0 0 0 3 1 1"]
    first, nodes, outputs = space.wiring(architecture)
    assert first == "identity"
    assert nodes == (Node(0, "tanh"), Node(0, "sigmoid"), Node(1, "relu"))
    assert outputs == (2, 3)


def tree(wiring):
    """The cell whatever the order of its nodes: each node as its activation and its readers."""

    def of(node, activation):
        readers = [(n, a) for n, (p, a) in enumerate(wiring, 1) if p == node]
        return activation, tuple(sorted(of(*reader) for reader in readers))

    return of(0, "tanh")


def test_the_shipped_cell_is_the_one_the_darts_authors_evaluated(repository):
    card = read_model_card(repository / "models" / "enas_rnn_ptb.yaml")
    wiring = SPACE.wiring(SPACE.read(card.architecture))
    theirs = [(0, "tanh"), (1, "tanh"), (1, "relu"), (3, "tanh"), (3, "tanh"), (3, "relu"),
              (4, "relu"), (7, "relu"), (8, "relu"), (8, "relu"), (8, "relu")]  # fmt: skip
    assert wiring.first == "tanh"
    assert tree(wiring.nodes) == tree(theirs)
    assert len(wiring.outputs) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0 0 1", "5 integers, one for node 0 and two for each of 2 others, got 4"),
        ("4 0 0 1 1", "node0.activation: integer 1 is '4'; it must be in 0..3"),
        ("0 1 0 1 1", "node1.input: integer 2 is '1'; it must be in 0..0"),
        ("0 0 0 2 1", "node2.input: integer 4 is '2'; it must be in 0..1"),
        ("0 0 tanh 1 1", "node1.activation: integer 3 is 'tanh'"),
        ("0 0 -1 1 1", "node1.activation: integer 3 is '-1'"),
    ],
)
def test_wrong_integers(text, message):
    with pytest.raises(ValueError, match=message):
        make_space("enas_rnn", {"nodes": 3}).read([text])
