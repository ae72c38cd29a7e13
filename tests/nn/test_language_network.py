import math

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import binom

from squeezenas.core.dropout_config import Dropout
from squeezenas.core.space import make_space
from squeezenas.nn.locked_dropout import embedded, locked_dropout, locked_mask
from squeezenas.zoo.networks.lstm_language import lstm_language

WORDS = 13


def small(scale=None):
    space = make_space("darts_rnn", scale or {"hidden": 6, "nodes": 2})
    text = ["Genotype(recurrent=[('relu', 0), ('tanh', 1)], concat=range(1, 3))"]
    return space.network(space.read(text), WORDS, "decoder")


def words(times=5, columns=3):
    return torch.randint(WORDS, (times, columns), generator=torch.Generator().manual_seed(0))


def test_a_mask_is_a_scaled_bernoulli():
    torch.manual_seed(1)
    mask = locked_mask(torch.empty(100, 400), 0.3)
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    low, high = binom.interval(1 - 1e-6, mask.numel(), 0.3)
    assert low <= (mask == 0).sum() <= high
    assert locked_mask(mask, 0.0) is None


def test_locked_dropout_drops_the_same_values_at_every_time():
    torch.manual_seed(2)
    dropped = locked_dropout(torch.ones(9, 4, 50), 0.5)
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert not torch.equal(dropped[0, 0], dropped[0, 1])


def test_a_dropped_word_is_dropped_wherever_it_stands():
    vectors, tokens = torch.randn(WORDS, 4), words(40, 8)
    torch.manual_seed(3)
    found = embedded(tokens, vectors, 0.5)
    torch.manual_seed(3)
    rows = torch.empty(WORDS, 1).bernoulli_(0.5) / 0.5
    assert torch.equal(found, F.embedding(tokens, vectors * rows))


def test_the_decoder_has_the_word_vectors():
    network = small()
    assert {"embedding.weight", "head.bias"} <= {*network.state_dict()}
    output = network(words())
    expected = output.raw @ network.embedding.weight.T + network.head.bias
    torch.testing.assert_close(output.logits, expected)
    pointers = [tensor.data_ptr() for tensor in network.state_dict().values()]
    assert len(pointers) == len(set(pointers))  # as safetensors asks


@pytest.mark.parametrize("make", [small, lambda: lstm_language("lstm2_6", WORDS, False)])
def test_text_in_segments_is_text_in_one(make):
    network, tokens = make().double().eval(), words(11)
    whole = network(tokens)
    state = network.initial_state(3)
    parts = []
    for segment in tokens.split(4):
        output = network(segment, state)
        state = output.state
        parts.append(output.logits)
    torch.testing.assert_close(torch.cat(parts), whole.logits, rtol=0, atol=1e-14)


@pytest.mark.parametrize("make", [small, lambda: lstm_language("lstm1_6", WORDS, False)])
@pytest.mark.parametrize("place", [*Dropout.model_fields])
def test_every_rate_drops_in_training_alone(make, place):
    network, tokens = make(), words()
    plain = network(tokens)
    network.dropout = Dropout(**{place: 0.5})
    torch.manual_seed(0)
    first, second = network(tokens), network(tokens)
    assert not torch.equal(first.logits, plain.logits)
    assert not torch.equal(first.logits, second.logits)
    assert torch.equal(first.raw, second.raw) == (place == "output")
    assert torch.equal(network.eval()(tokens).logits, plain.logits)


def test_lstm_is_pytorchs():
    network, tokens = lstm_language("lstm2_6", WORDS, False), words()
    reference = torch.nn.LSTM(6, 6, num_layers=2)
    for number, layer in enumerate(network.cell.layers):
        for name, weight in layer.named_parameters():
            getattr(reference, name.replace("l0", f"l{number}")).data.copy_(weight.data)
    expected, (hidden, memory) = reference(network.embedding(tokens))
    output = network(tokens)
    torch.testing.assert_close(output.raw, expected)
    torch.testing.assert_close(output.state, (hidden, memory))


def test_dropped_recurrent_weights_of_the_lstm():
    network, tokens = lstm_language("lstm1_6", WORDS, False), words()
    network.dropout = Dropout(hidden=0.5)
    torch.manual_seed(4)
    found = network(tokens).raw
    torch.manual_seed(4)
    layer = network.cell.layers[0]
    layer.weight_hh_l0.data.copy_(F.dropout(layer.weight_hh_l0, 0.5))
    torch.testing.assert_close(found, layer(network.embedding(tokens))[0])


def test_parameters_of_the_lstm_baseline():
    hidden = 1180
    with torch.device("meta"):
        network = lstm_language(f"lstm1_{hidden}", 10_000, False)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == 10_000 * (hidden + 1) + 8 * hidden**2 + 8 * hidden
    assert math.isclose(count, 22.96e6, rel_tol=1e-3)  # as many as the DARTS cell of 850 units


@pytest.mark.parametrize("backbone", ["lstm", "gru1_20", "lstm0_20", "lstm1_0", "lstm1"])
def test_other_backbones_are_refused(backbone):
    with pytest.raises(ValueError, match="lstm<layers>_<hidden>"):
        lstm_language(backbone, WORDS, False)


def test_no_classifier():
    with pytest.raises(ValueError, match="task language"):
        lstm_language("lstm1_20", WORDS, True)
