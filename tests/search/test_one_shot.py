import json
import math

import pytest
import torch
from torch import nn

from squeezenas.engine import precision
from squeezenas.engine.distributed import Process
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.score import InheritedWeights
from squeezenas.search.setup import build
from squeezenas.tracking.run import Run
from tests.search.toy import config

CPU = torch.device("cpu")


@pytest.fixture
def searching(tmp_path):
    """A search that has not begun; three bad steps in a row end it."""
    keys = ["regime.max_bad_steps=3", "regime.warmup_epochs=0"]
    return OneShotSearch(build(config(tmp_path, *keys), Process(0, 1, CPU), tmp_path))


@pytest.fixture
def run(searching, tmp_path):
    with Run.create(tmp_path / "run", {}, steps=searching.parts.steps) as started:
        yield started


def metrics(run):
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def spoil(searching, monkeypatch, bad):
    """Makes the losses with these numbers NaN: architecture steps are even, weight steps odd."""
    whole, calls = searching.parts.task.loss, iter(range(10**6))

    def loss(logits, labels):
        return whole(logits, labels) * (math.nan if bad(next(calls)) else 1.0)

    monkeypatch.setattr(searching.parts.task, "loss", loss)


def weights(searching):
    return {key: tensor.clone() for key, tensor in searching.parts.supernet.named_parameters()}


def test_both_kinds_of_parameters_learn(searching, run):
    before = weights(searching)
    searching.run(run)
    after = weights(searching)
    assert all(not torch.equal(before[key], after[key]) for key in before)
    rows = searching.parts.strategy.probabilities()
    assert all(row.max() > 1.001 / 13 for row in rows.values())
    assert len(searching.history) == 3
    lines = metrics(run)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines if "search/miou" in line] == [2, 4, 6]
    assert all(line["search/bad_steps"] == 0 for line in lines)
    temperatures = [line["architecture/temperature"] for line in lines]
    schedule = searching.parts.config.regime.strategy.temperature
    assert (temperatures[0], temperatures[-1]) == pytest.approx((schedule.start, schedule.end))
    assert temperatures == sorted(temperatures, reverse=True)


def test_the_convolutions_alone_learn_in_the_warm_up(tmp_path):
    parts = build(config(tmp_path), Process(0, 1, CPU), tmp_path)
    searching = OneShotSearch(parts)
    with Run.create(tmp_path / "run", {}, steps=parts.steps) as run:
        searching.run(run)
        lines = metrics(run)
    assert ["architecture/loss" in line for line in lines] == [False] * 2 + [True] * 4
    assert all(p == pytest.approx(1 / 13) for p in searching.history[0]["unit00"])


def test_an_architecture_step_leaves_the_weights_alone(searching):
    before = weights(searching)
    batch = next(searching.parts.streams[1].batches())
    searching.learn_architecture(searching.architecture_step(batch, batch))
    assert all(torch.equal(before[key], tensor) for key, tensor in weights(searching).items())
    assert all(p.requires_grad and p.grad is None for p in searching.parts.supernet.parameters())


def test_a_bad_weight_step_is_skipped_and_counted(searching, run, monkeypatch):
    spoil(searching, monkeypatch, lambda call: call == 5)
    searching.run(run)
    lines = metrics(run)
    assert [line["search/bad_steps"] for line in lines] == [0, 0, 1, 1, 1, 1]
    assert lines[2]["search/loss"] is None
    assert all(line["search/loss"] for line in lines if line["step"] != 3)
    state = searching.parts.supernet.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())


def test_a_bad_step_moves_nothing(searching, monkeypatch):
    spoil(searching, monkeypatch, lambda call: True)
    before = weights(searching)
    searching.learn_weights(next(searching.parts.streams[0].batches()), held_out=True)
    batch = next(searching.parts.streams[1].batches())
    assert searching.learn_architecture(searching.architecture_step(batch, batch)) == {}
    assert all(torch.equal(before[key], tensor) for key, tensor in weights(searching).items())
    assert all((logits == 0).all() for logits in searching.parts.strategy.logits.values())
    assert searching.parts.penalty.multiplier == 0.1


def test_poisoned_statistics_start_again(searching, monkeypatch):
    """What an infinite activation leaves in the running statistics would stay there for ever."""
    norms = [m for m in searching.parts.supernet.modules() if isinstance(m, nn.BatchNorm2d)]
    norms[0].running_var.fill_(math.nan)
    spoil(searching, monkeypatch, lambda call: True)
    searching.learn_weights(next(searching.parts.streams[0].batches()), held_out=True)
    assert norms[0].running_var.isfinite().all()


@pytest.mark.parametrize(
    ("bad", "kind", "step"),
    [(lambda call: True, "architecture", 2), (lambda call: call % 2 == 1, "weight", 2)],
)
def test_many_bad_steps_in_a_row_end_the_search(searching, run, monkeypatch, bad, kind, step):
    """Good steps of the other kind in between do not hide them."""
    spoil(searching, monkeypatch, bad)
    with pytest.raises(ValueError, match=rf"3 {kind} steps in a row were not finite \(step {step}"):
        searching.run(run)
    assert len(metrics(run)) == step


def test_an_overflow_of_the_architecture_gradient_lowers_the_loss_scale(searching):
    """With fp16 weight gradients may fit where architecture gradients do not."""
    searching._scaler = precision.scaler("fp16", CPU)
    parameter = nn.Parameter(torch.ones(2))
    scale = searching._scaler.get_scale()
    (gradient,) = searching._gradients((3 * parameter).sum(), [parameter])
    assert gradient.tolist() == [3.0, 3.0]
    assert searching._gradients((parameter * math.inf).sum(), [parameter]) is None
    assert searching._scaler.get_scale() == scale / 2
    (gradient,) = searching._gradients((3 * parameter).sum(), [parameter])
    assert gradient.tolist() == [3.0, 3.0]


def test_a_state_without_a_loss_scale_is_taken_by_a_search_with_one(searching):
    """A run may be resumed on another device."""
    state = searching.state_dict()
    searching._scaler = precision.scaler("fp16", CPU)
    searching.load_state_dict(state)
    assert searching._scaler.get_scale() > 1


def test_inherited_networks_are_recalibrated(searching):
    """Their statistics are plain averages over the calibration images, not the supernet's."""
    parts = searching.parts
    architecture = parts.space.architecture([1, 2, 3, 12])
    network = InheritedWeights(parts).network(architecture)
    inherited = parts.supernet.stem
    assert torch.equal(network.stem[0].weight, inherited[0].weight)
    images = next(parts.streams[0].batches()).images
    x = inherited[0](parts.task.prepare(images, torch.zeros(1)).images)
    torch.testing.assert_close(network.stem[1].running_mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(network.stem[1].running_var, x.var((0, 2, 3)))
    assert not torch.equal(network.stem[1].running_mean, inherited[1].running_mean)
    assert not any(module.training for module in network.modules())


def test_scores_are_the_same_each_time_and_leave_no_trace(searching):
    parts = searching.parts
    architecture = parts.space.architecture([0, 5, 9, 3])
    before = {key: tensor.clone() for key, tensor in parts.supernet.state_dict().items()}
    random_state = torch.get_rng_state()
    scorer = InheritedWeights(parts)
    scores = [scorer.figure(architecture, "report") for _ in range(2)]
    scores.append(InheritedWeights(parts).figure(architecture, "report"))
    assert 0 < scores[0] < 1
    assert len(set(scores)) == 1
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(before[k], t) for k, t in parts.supernet.state_dict().items())
