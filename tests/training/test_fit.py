"""The loop of one stage, step by step."""

import json
import math
import random

import pytest
import torch

from squeezenas.engine.distributed import Process
from squeezenas.engine.optim import learning_rate
from squeezenas.tracking.run import Run
from squeezenas.training.fit import Fit, stalled
from tests.training import toy

ALONE = Process(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


def fit_of(folder, *words):
    return Fit(toy.parts(toy.config(folder, *words), ALONE))


def learned(fit, steps):
    """Takes steps; gives the metrics and the weights after each."""
    metrics, states = [], []
    batches = fit.parts.stream.batches(fit.step)
    for _ in range(steps):
        metrics.append(fit.learn(next(batches)))
        fit.step += 1
        state = fit.parts.network.state_dict()
        states.append({name: tensor.double().clone() for name, tensor in state.items()})
    return metrics, states


def ran(folder, fit):
    with Run.create(folder, {}, steps=fit.parts.steps) as run:
        fit.run(run)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_moving_average_is_timms(tmp_path):
    """Its decay rises as `1 - (1 + t)^(-2/3)`; counters of batches are copied."""
    fit = fit_of(tmp_path, ".ema=0.45", ".optimiser.lr=0.1")
    _, states = learned(fit, 4)
    wanted = dict(states[0])
    for step, state in enumerate(states[1:], 1):
        decay = min(0.45, 1 - (1 + step) ** (-2 / 3))
        assert (decay == 0.45) == (step > 1)  # the rise and the plateau both take part
        for name, tensor in state.items():
            wanted[name] = decay * wanted[name] + (1 - decay) * tensor
            if name.endswith("num_batches_tracked"):
                wanted[name] = tensor
    for name, tensor in fit.network.state_dict().items():
        torch.testing.assert_close(tensor.double(), wanted[name], rtol=1e-5, atol=1e-6)
    assert fit.network is not fit.parts.network
    assert any(not torch.equal(states[3][name], wanted[name]) for name in wanted)


def test_without_an_average_the_network_itself_is_kept(tmp_path):
    fit = fit_of(tmp_path)
    assert fit.network is fit.parts.network


def test_the_learning_rate_of_each_step(tmp_path):
    fit = fit_of(
        tmp_path, ".optimiser={lr: 0.2, warmup_epochs: 0.5, schedule: cosine}", ".epochs=3"
    )
    metrics, _ = learned(fit, 6)
    rates = [row["train/lr"] for row in metrics]
    assert rates == [learning_rate(fit.parts.stage.optimiser, step, 6, 1) for step in range(6)]
    assert rates[0] == 0.2
    assert rates[3] == pytest.approx(0.1)


def test_same_seed_same_run_and_another_seed_another_one(tmp_path):
    first, again, other = (learned(fit_of(tmp_path, f"seed={seed}"), 2) for seed in (7, 7, 8))
    assert first[0] == again[0]
    assert all(torch.equal(first[1][1][name], again[1][1][name]) for name in first[1][1])
    assert first[0] != other[0]
    assert not torch.equal(first[1][0]["head.classify.weight"], other[1][0]["head.classify.weight"])


def test_clipping_bounds_the_step_and_not_the_report(tmp_path):
    words = (".optimiser.name=momentum", ".optimiser.momentum=0", ".optimiser.weight_decay=0")
    for clip in (0, 1e-3):
        fit = fit_of(tmp_path, *words, ".optimiser.lr=1", f".optimiser.clip={clip}",
                     ".optimiser.schedule=constant", ".optimiser.warmup_epochs=0")  # fmt: skip
        before = [p.detach().clone() for p in fit.parts.network.parameters()]
        (row,), _ = learned(fit, 1)
        after = list(fit.parts.network.parameters())
        moved = math.sqrt(
            sum((b - a).square().sum().item() for b, a in zip(before, after, strict=True))
        )
        assert moved == pytest.approx(clip or row["train/gradient_norm"], rel=1e-2)
        assert row["train/gradient_norm"] > 0.01


def test_a_step_that_is_not_finite_changes_nothing(tmp_path):
    fit = fit_of(tmp_path, ".ema=0.9")
    learned(fit, 1)
    before = {name: tensor.clone() for name, tensor in fit.parts.network.state_dict().items()}
    kept = {name: tensor.clone() for name, tensor in fit.network.state_dict().items()}
    whole, fit.parts.task.loss = fit.parts.task.loss, lambda *a: whole(*a) * float("nan")
    (row,), _ = learned(fit, 1)
    assert math.isnan(row["train/loss"])
    assert row["train/bad_steps"] == 1
    for name, parameter in fit.parts.network.named_parameters():
        assert torch.equal(parameter, before[name])
    for name, tensor in fit.network.state_dict().items():
        assert torch.equal(tensor, kept[name])


def test_validations_come_when_they_are_due(tmp_path):
    fit = fit_of(tmp_path, ".epochs=5", ".steps_per_epoch=1", ".validate_every=2")
    rows = ran(tmp_path / "run", fit)
    validated = [row["step"] for row in rows if "val/miou" in row]
    assert validated == [2, 4, 5]
    assert all("train/miou" in row for row in rows)
    assert [row["epoch"] for row in fit.history] == [2, 4, 5]
    assert fit.best == max(fit.history, key=lambda row: row["miou"])


def test_the_best_weights_are_those_of_the_best_epoch(tmp_path, monkeypatch):
    """Scores rise, fall and tie: the first of the highest is kept."""
    from squeezenas.training import fit as module

    scores = iter([0.1, 0.5, 0.2, 0.5])
    monkeypatch.setattr(module, "validate", lambda *_: {"miou": next(scores)})
    saved = []
    note = lambda path, *_: saved.append((path.name, fit.step))  # noqa: E731
    monkeypatch.setattr(module, "save_weights", note)
    fit = fit_of(tmp_path, ".epochs=4", ".steps_per_epoch=1", ".validate_every=1")
    ran(tmp_path / "run", fit)
    assert saved == [("best.safetensors", 1), ("best.safetensors", 2)]
    assert fit.best == {"epoch": 2, "miou": 0.5}


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_state_goes_on_bit_for_bit(tmp_path, steps):
    words = (".ema=0.9", ".optimiser.name=adamw", ".optimiser.lr=0.01", ".epochs=3")
    whole, part = fit_of(tmp_path, *words), fit_of(tmp_path, *words)
    wanted, states = learned(whole, 4)
    learned(part, steps)
    state = part.state_dict()
    file = tmp_path / "state.pt"
    torch.save(state, file)
    resumed = fit_of(tmp_path, *words)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    torch.manual_seed(99)  # what others draw meanwhile does not matter
    found, ends = learned(resumed, 4 - steps)
    assert found == wanted[steps:]
    assert all(torch.equal(ends[-1][name], states[-1][name]) for name in states[-1])
    average = whole.network.state_dict()
    assert all(torch.equal(t, average[n]) for n, t in resumed.network.state_dict().items())


def test_a_checkpoint_of_another_network_or_optimiser(tmp_path):
    fit = fit_of(tmp_path)
    learned(fit, 1)
    run = Run.create(tmp_path / "run", {}, steps=4)
    fit.checkpoint(run)
    other = toy.arguments(tmp_path / "other")
    other[0] = f"models={toy.model(tmp_path / 'other', ('skip', *toy.UNITS[1:]))}"
    strange = Fit(toy.parts(toy.load_retraining(other), ALONE))
    with pytest.raises(ValueError, match=r"does not fit this network .*of another architecture"):
        strange.resume(Run.open(tmp_path / "run", {}, steps=4))
    state = fit.state_dict()
    state["optimiser"]["param_groups"][0]["params"].pop()
    with pytest.raises(ValueError, match="state of the optimiser does not fit"):
        fit_of(tmp_path).load_state_dict(state)


def test_nothing_to_resume_is_the_beginning(tmp_path):
    Run.create(tmp_path / "run", {}, steps=4)
    fit = fit_of(tmp_path)
    fit.resume(Run.open(tmp_path / "run", {}, steps=4))
    assert fit.step == 0


def test_dropout_of_a_resumed_step_is_that_of_its_number(tmp_path):
    """A network that drops half of its features at random."""
    results = []
    for seed in (1, 2):
        fit = fit_of(tmp_path)
        fit.parts.network.head.register_forward_pre_hook(
            lambda _, inputs: (torch.dropout(inputs[0], 0.5, True), *inputs[1:])
        )
        torch.manual_seed(seed)
        results.append(learned(fit, 2)[0])
    assert results[0] == results[1]
    assert results[0][0]["train/loss"] != results[0][1]["train/loss"]


def test_averaging_begins_where_algorithm_1_says():
    """NT-ASGD (arXiv:1708.02182), transcribed: T is where the averaging begins."""
    rng = random.Random(0)
    for _ in range(500):
        curve, n = [rng.random() for _ in range(12)], rng.randint(1, 6)
        logs, begun = [], None
        for t, v in enumerate(curve):
            if begun is None and t > n and v > min(logs[: t - n]):
                begun = t
            logs.append(v)
        merits = [-v for v in curve]
        found = (k for k in range(len(curve)) if stalled(merits[: k + 1], n))
        assert next(found, None) == begun
