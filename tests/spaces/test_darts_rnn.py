import itertools
import math
import random

import pytest
import torch

from squeezenas.core.model_card import read_model_card
from squeezenas.core.space import make_space, spaces
from squeezenas.nn.path import Path

V2 = (
    "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), ('tanh', 2), "
    "('sigmoid', 5), ('tanh', 3), ('relu', 5)], concat=range(1, 9))"
)
SPACE = spaces["darts_rnn"]()
TOY = make_space("darts_rnn", {"hidden": 4, "nodes": 3})


def test_size():
    assert len(SPACE.choices) == 36
    assert SPACE.size() == math.factorial(8) * 4**8
    legal = 0
    for picks in itertools.product(range(5), repeat=len(TOY.choices)):
        try:
            TOY.architecture(picks)
        except ValueError:
            continue
        legal += 1
    assert legal == TOY.size() == 6 * 4**3


def test_allowed_options_lead_to_every_legal_architecture_and_to_no_other():
    found = [()]
    for _ in TOY.choices:
        found = [
            (*picks, option)
            for picks in found
            for option, allowed in enumerate(TOY.allowed(picks))
            if allowed
        ]
    assert len({TOY.architecture(picks) for picks in found}) == len(found) == TOY.size()


def test_parameters_of_the_papers_network(repository):
    card = read_model_card(repository / "models" / "darts_rnn_ptb.yaml")
    space = make_space(card.space, card.scale)
    with torch.device("meta"):
        network = space.network(space.read(card.architecture), card.outputs, card.head)
    # 22.96 M: 10,000 words with a bias each, 1,700 x 1,700, and 8 matrices of 850 x 1,700.
    assert sum(parameter.numel() for parameter in network.parameters()) == 22_960_000
    assert card.architecture == (V2,)


def test_genotype_both_ways():
    architecture = SPACE.read([V2])
    assert SPACE.write(architecture) == [V2]
    wiring = SPACE.wiring(architecture)
    assert [node.predecessor for node in wiring.nodes] == [0, 1, 1, 1, 2, 5, 3, 5]
    assert (wiring.first, wiring.outputs) == ("tanh", tuple(range(1, 9)))
    listed = V2.replace("range(1, 9)", "[1, 2, 3, 4, 5, 6, 7, 8]")
    assert SPACE.read([listed]) == architecture


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'sigmoid', 0", "'sigmoids', 0", "node 1: unknown activation 'sigmoids'.*'sigmoid'"),
        ("('tanh', 2)", "('none', 2)", "node 5: unknown activation 'none'"),
        ("('tanh', 2)", "('tanh', 5)", "node 5 reads one of 0..4, and .'tanh', 5. names"),
        ("('tanh', 2)", "('tanh', -1)", "node 5: .'tanh', -1. is no pair"),
        ("('tanh', 2)", "('tanh', True)", "node 5: .'tanh', True. is no pair"),
        ("('tanh', 2)", "('tanh', 2, 3)", "node 5: .'tanh', 2, 3. is no pair"),
        ("('tanh', 2)", "exit()", r"node 5: exit\(\) is no pair"),
        (", ('relu', 5)]", "]", "7 nodes instead of 8"),
        ("range(1, 9)", "range(2, 9)", r"concat=range\(2, 9\)"),
        ("concat", "normal", "got recurrent, normal"),
        ("Genotype(", "genotype(", "is no genotype"),
        ("Genotype(", "(", "cannot be read from .recurrent="),
        ("Genotype", "__import__('os').system", "is no genotype"),
    ],
)
def test_wrong_genotypes(old, new, message):
    assert old in V2
    with pytest.raises(ValueError, match=message):
        SPACE.read([V2.replace(old, new)])


def test_a_genotype_is_one_text():
    with pytest.raises(ValueError, match=r"one text.*got 2"):
        SPACE.read([V2, V2])


@pytest.mark.parametrize(
    ("picks", "message"),
    [
        ([0, 1, 0], "node1<0: all edges of node 1 are none"),
        ([1, 0, 0], "node2<1: all edges of node 2 are none"),
        ([1, 2, 3], "node2<1: node 2 reads one node, and node2<0 is it"),
    ],
)
def test_illegal_picks(picks, message):
    space = make_space("darts_rnn", {"nodes": 2})
    with pytest.raises(ValueError, match=message):
        space.architecture(picks)


def test_derive_never_takes_none():
    scores = {choice.key: [9.0, 0.1, 0.2, 0.1, 0.1] for choice in TOY.choices}
    scores["node3<2"][4] = 0.3
    wiring = TOY.wiring(TOY.derive(scores))
    assert [tuple(node) for node in wiring.nodes] == [(0, "relu"), (0, "relu"), (2, "identity")]


def test_samples_are_uniform():
    rng, draws = random.Random(0), 4000
    space = make_space("darts_rnn", {"nodes": 2})
    counts = {}
    for _ in range(draws):
        architecture = space.sample(rng)
        counts[architecture] = counts.get(architecture, 0) + 1
    assert len(counts) == 32
    statistic = sum((count - draws / 32) ** 2 / (draws / 32) for count in counts.values())
    assert statistic < 61  # chi-square with 31 degrees of freedom, p = 0.001


def test_graph_and_cell():
    text = ["Genotype(recurrent=[('relu', 0), ('identity', 0)], concat=range(1, 3))"]
    space = make_space("darts_rnn", {"nodes": 2})
    architecture = space.read(text)
    adjacency, operations = space.graph(architecture)
    assert operations == ["input", "tanh", "relu", "identity", "output"]
    joined = {(a, b) for a, row in enumerate(adjacency) for b, one in enumerate(row) if one}
    assert joined == {(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)}
    (cell,) = space.cells(architecture)
    assert cell.inputs == ("x_t", "h_{t-1}")
    assert ("0", "2", "identity") in cell.edges
    assert ("2", "h_t", "") in cell.edges


def test_supernet_runs_and_is_not_lean():
    supernet = TOY.supernet(9, "decoder")
    path = Path({choice.key: torch.full((5, 1), 0.2) for choice in TOY.choices})
    tokens = torch.zeros(3, 2, dtype=torch.int64)
    output = supernet(tokens, supernet.initial_state(2), path)
    assert output.logits.shape == (3, 2, 9)
    with pytest.raises(ValueError, match="memory=lean"):
        TOY.supernet(9, "decoder", "lean")
