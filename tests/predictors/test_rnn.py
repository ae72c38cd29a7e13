import numpy as np
import pytest
import torch

from squeezenas.core.architecture import Architecture
from squeezenas.predictors.predictor import make_predictor
from squeezenas.predictors.rnn import TokenRNN
from tests.predictors.planted import QUICK, SPACE, drawn


def plain(network, tokens):
    """The last state of an LSTM, gate by gate in float64."""
    w = {key: tensor.numpy() for key, tensor in network.state_dict().items()}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    hidden = memory = np.zeros(network.lstm.hidden_size)
    for token in tokens:
        gates = w["lstm.weight_ih_l0"] @ w["embedding.weight"][token] + w["lstm.bias_ih_l0"]
        gates = gates + w["lstm.weight_hh_l0"] @ hidden + w["lstm.bias_hh_l0"]
        admit, forget, new, give = np.split(gates, 4)
        memory = sigmoid(forget) * memory + sigmoid(admit) * np.tanh(new)
        hidden = sigmoid(give) * np.tanh(memory)
    return (w["output.weight"] @ hidden + w["output.bias"])[0]


def test_the_last_state_counts_whatever_the_length():
    network = TokenRNN(words=6, embedding=3, hidden=4).double()
    sequences = [[1, 2, 3, 4, 5], [6, 5], [3]]
    padded = torch.tensor([row + [0] * (5 - len(row)) for row in sequences])
    found = network(padded).detach().numpy()
    assert found == pytest.approx([plain(network, row) for row in sequences], abs=1e-12)


@pytest.mark.parametrize(("name", "keys"), [("rnn", {}), ("mlp", {"block": 3})])
def test_it_learns_from_short_architectures_and_ranks_longer_ones(name, keys):
    """What PNAS does: values are means over blocks of three choices."""
    weights = np.random.default_rng(1).random((3, 4))

    def mean_block(architecture):
        picks = np.array(architecture.picks).reshape(-1, 3)
        return weights[np.arange(3), picks].sum(1).mean()

    complete, _ = drawn(300)
    short = [Architecture(SPACE.name, a.picks[:3]) for a in complete[:60]]
    train = [*short, *complete[:60]]
    predictor = make_predictor(name, QUICK[name] | keys, SPACE)
    predictor.fit(train, [mean_block(architecture) for architecture in train])
    said = predictor.predict(complete[60:])
    true = [mean_block(architecture) for architecture in complete[60:]]
    assert np.corrcoef(said, true)[0, 1] > 0.8
