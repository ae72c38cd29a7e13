import random

import numpy as np
import pytest
import torch

from squeezenas.core.space import make_space
from squeezenas.predictors.gcn import GCN, GCNConfig, normalised
from squeezenas.predictors.predictor import make_predictor
from tests.predictors.planted import QUICK, SPACE, drawn


def plain(network, adjacency, kinds):
    """One graph, node by node, in float64: arXiv:1912.00848, section 3.1."""
    size, weights = len(kinds), {k: v.numpy() for k, v in network.state_dict().items()}
    reads = [[b for b in range(size) if adjacency[a][b] or a == b] for a in range(size)]
    read_by = [[a for a in range(size) if adjacency[a][b] or a == b] for b in range(size)]
    nodes = []
    for place, kind in enumerate(kinds):
        node = np.zeros(network.operations + network.places)
        if kind >= 0:
            node[kind] = 1
        if network.places:
            node[network.operations + min(place, network.places - 1)] = 1
        nodes.append(node)
    for layer in range(len(network.convolutions)):
        weight = weights[f"convolutions.{layer}.weight"]
        out = weight.shape[1] // 2
        halves = weight[:, :out], weight[:, out:]
        nodes = [
            sum(
                0.5 * np.maximum(np.mean([nodes[b] for b in near[a]], axis=0) @ half, 0)
                for near, half in zip((reads, read_by), halves, strict=True)
            )
            for a in range(size)
        ]
    dense = weights["dense.weight"] @ np.mean(nodes, axis=0) + weights["dense.bias"]
    return (weights["output.weight"] @ np.maximum(dense, 0) + weights["output.bias"])[0]


@pytest.mark.parametrize("places", [0, 4])
def test_the_network_equals_a_plain_loop_in_float64(places):
    torch.manual_seed(0)
    config = GCNConfig(hidden=7, dense=5, layers=3)
    network = GCN(3, places, config).double().eval()
    rng = np.random.default_rng(0)
    sizes = [2, 6, 4]
    adjacency, kinds = np.zeros((3, 6, 6), dtype=np.int8), np.full((3, 6), -2)
    for index, size in enumerate(sizes):
        adjacency[index, :size, :size] = np.triu(rng.integers(0, 2, (size, size)), 1)
        kinds[index, :size] = rng.integers(-1, 3, size)
    along = normalised(adjacency, kinds).double()
    against = normalised(adjacency.swapaxes(1, 2), kinds).double()
    # Rounded to float32, a row of thirds does not add up to one.
    along, against = (a / a.sum(2, keepdim=True).clamp(min=1e-9) for a in (along, against))
    found = network(along, against, torch.from_numpy(kinds)).detach().numpy()
    expected = [
        plain(network, adjacency[i], kinds[i, :size].tolist()) for i, size in enumerate(sizes)
    ]
    assert found == pytest.approx(expected, abs=1e-7)


def test_padding_changes_nothing():
    space = make_space("darts_cell")
    rng = random.Random(1)
    architectures = [space.sample(rng) for _ in range(12)]
    predictor = make_predictor("gcn", {"epochs": 2, "hidden": 8, "dense": 8}, space)
    predictor.fit(architectures, np.arange(12.0))
    alone = [predictor.predict([architecture])[0] for architecture in architectures]
    assert predictor.predict(architectures) == pytest.approx(np.array(alone), abs=1e-4)


def test_without_positions_the_order_of_nodes_is_not_seen():
    network = GCN(3, 0, GCNConfig(hidden=8, dense=8)).eval()
    adjacency = np.triu(np.random.default_rng(0).integers(0, 2, (1, 5, 5)), 1).astype(np.int8)
    kinds, order = np.array([[0, 1, 2, 1, 0]]), np.array([3, 0, 4, 2, 1])

    def said(matrix, row):
        along, against = normalised(matrix, row), normalised(matrix.swapaxes(1, 2), row)
        return float(network(along, against, torch.from_numpy(row)).detach())

    shuffled = adjacency[:, order][:, :, order]
    assert said(shuffled, kinds[:, order]) == pytest.approx(said(adjacency, kinds), abs=1e-6)


def with_outliers(count):
    """Every fourth architecture, those with one option of the second choice, hardly learns."""
    architectures, values = drawn(count)
    bad = np.array([architecture.picks[1] == 3 for architecture in architectures])
    return architectures, np.where(bad, 0.1 * values, values), bad


@pytest.mark.parametrize("threshold", [0.4, None])
def test_two_stages_rank_what_the_classifier_takes_above_the_rest(threshold):
    architectures, values, bad = with_outliers(450)
    keys = QUICK["gcn"] | {"stages": 2, "threshold": threshold}
    predictor = make_predictor("gcn", keys, SPACE)
    predictor.fit(architectures[:150], values[:150])
    said = predictor.predict(architectures[150:])
    if threshold is None:
        threshold = np.quantile(values[:150], 0.4)
    refused = said < threshold - 1e-9
    assert np.mean(refused == (values[150:] < threshold)) > 0.85
    assert said[refused].min() >= values[:150][values[:150] < threshold].mean() - 1e-9
    assert refused[bad[150:]].mean() > 0.9


def test_two_stages_are_one_where_there_is_nothing_to_tell_apart():
    architectures, values = drawn(40)
    keys = QUICK["gcn"] | {"epochs": 2}
    one = make_predictor("gcn", keys, SPACE)
    one.fit(architectures, values)
    for threshold in (-1.0, 2.0):
        two = make_predictor("gcn", keys | {"stages": 2, "threshold": threshold}, SPACE)
        two.fit(architectures, values)
        assert np.array_equal(one.predict(architectures), two.predict(architectures))
