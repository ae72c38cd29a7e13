import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from squeezenas.core.config import Loss
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.space import make_space
from squeezenas.data.text_stream import text_batches
from squeezenas.engine.distributed import Process
from squeezenas.nn.language_network import LanguageOutput
from squeezenas.tasks.language import Language

WORDS = 17


def task(bptt=35, **loss):
    card = DatasetCard(
        name="prose", title="Prose", task="language", layout="text", root="x",
        splits={"train": ["train.txt"]}, licence="none", how_to_get="write it",
    )  # fmt: skip
    return Language(card, Process(0, 1, torch.device("cpu")), Loss(**loss), bptt)


def network():
    space = make_space("enas_rnn", {"hidden": 8, "nodes": 4})
    torch.manual_seed(0)
    found = space.network(space.read(["0 0 1 0 2 1 3"]), WORDS, "decoder").double()
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return found.eval()


def text(count=203):
    return torch.randint(WORDS, (count,), generator=torch.Generator().manual_seed(2))


def score(task, model, tokens, columns, bptt):
    metric, state = task.metric(), None
    for batch in text_batches(tokens, columns, bptt):
        inputs = task.prepare(batch.images, batch.labels)
        output = task.run(model, inputs, state=None if batch.begins else state)
        task.count(metric, output, inputs.labels)
        state = task.carried(output)
    return metric


@torch.no_grad()
def nats(model, tokens):
    """Of every word but the first, from one pass over the whole."""
    logits = model(tokens[:-1, None]).logits[:, 0].numpy()
    return logsumexp(logits, 1) - logits[np.arange(len(logits)), tokens[1:]]


@pytest.mark.parametrize("bptt", [1, 7, 35, 500])
def test_perplexity_is_that_of_one_pass_over_the_whole_text(bptt):
    model, tokens, judge = network(), text(), task()
    metric = score(judge, model, tokens, 1, bptt)
    expected = nats(model, tokens)
    assert metric.counts[1] == 202
    assert float(metric.counts[0]) == pytest.approx(expected.sum(), rel=1e-12)
    perplexity = judge.figures(metric)["perplexity"]
    assert perplexity == pytest.approx(math.exp(expected.mean()), rel=1e-12)
    assert judge.reward(metric) == pytest.approx(80 / perplexity)
    assert judge.figure.merit(perplexity) < 0


def test_ten_columns_are_ten_texts_that_overlap_by_a_word():
    model, tokens = network(), text()
    metric = score(task(), model, tokens, 10, 7)
    parts = [nats(model, tokens[start : start + 22]) for start in range(0, 202, 21)]
    assert metric.counts[1] == sum(map(len, parts)) == 202
    assert float(metric.counts[0]) == pytest.approx(sum(map(np.sum, parts)), rel=1e-12)


def output(times=6, columns=3):
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(times, columns, WORDS, generator=generator)
    raw = torch.randn(times, columns, 5, generator=generator)
    labels = torch.randint(WORDS, (times, columns), generator=generator)
    return LanguageOutput(logits, (raw[-1:],), raw, raw * 2), labels


def test_the_loss_is_that_of_its_formula():
    predicted, labels = output()
    labels[-1, 0] = -100
    logits, raw = predicted.logits.double().numpy(), predicted.raw.double().numpy()
    costs = [
        logsumexp(logits[t, n]) - logits[t, n, int(labels[t, n])]
        for t, n in np.ndindex(labels.shape)
        if labels[t, n] >= 0
    ]
    expected = (
        np.mean(costs) + 2.0 * np.mean((2 * raw) ** 2) + 0.5 * np.mean(np.diff(raw, axis=0) ** 2)
    )
    judge = task(activation_penalty=2.0, slowness_penalty=0.5)
    found = judge.loss(predicted, labels) + judge.regularisation(predicted)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert float(task().loss(predicted, labels)) == pytest.approx(np.mean(costs), rel=1e-6)


def test_a_segment_of_one_word_has_no_slowness():
    predicted, _ = output(times=1)
    assert task(slowness_penalty=1.0).regularisation(predicted) == 0


def test_processes_add_up_to_the_joined_batch():
    predicted, labels = output(columns=4)
    halves = [
        LanguageOutput(predicted.logits[:, part], (), predicted.raw[:, part],
                       predicted.dropped[:, part])
        for part in (slice(0, 2), slice(2, 4))
    ]  # fmt: skip
    judge = task(activation_penalty=1.0, slowness_penalty=1.0)
    parts = [judge.loss(half, labels[:, 2 * n : 2 * n + 2]) for n, half in enumerate(halves)]
    torch.testing.assert_close(sum(parts) / 2, judge.loss(predicted, labels))
    parts = [judge.regularisation(half) for half in halves]
    torch.testing.assert_close(sum(parts) / 2, judge.regularisation(predicted))


def test_the_state_is_carried_without_its_history():
    model, judge = network(), task()
    tokens = text(10).view(5, 2)
    found = judge.run(model, judge.prepare(tokens, tokens))
    (state,) = judge.carried(found)
    assert torch.equal(state, found.state[0])
    assert found.state[0].requires_grad
    assert not state.requires_grad


def test_short_segments_learn_less():
    tokens = text(20).view(10, 2)
    judge = task(bptt=40)
    assert judge.rate_scale(judge.prepare(tokens, tokens)) == 0.25


def test_figures_of_nothing_and_of_too_much():
    judge = task()
    metric = judge.metric()
    assert math.isnan(judge.figures(metric)["perplexity"])
    metric.counts += torch.tensor([1e4, 1.0])
    assert judge.figures(metric)["perplexity"] == math.inf
    metric.counts = torch.tensor([math.nan, 2.0])
    assert judge.figures(metric)["perplexity"] == math.inf, "a network without numbers ranks last"
    assert judge.reward(metric) == 0


@pytest.mark.parametrize("loss", [{"kind": "ohem"}, {"class_weights": (1.0, 2.0)}])
def test_losses_of_images_are_refused(loss):
    with pytest.raises(ValueError, match="prose is text, so leave both out"):
        task(**loss)
