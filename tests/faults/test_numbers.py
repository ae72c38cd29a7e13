"""Batches and scores that are not numbers leave no trace in what was learned."""

import math
from dataclasses import replace

import pytest
import torch

from squeezenas.core.recipes import load_search
from squeezenas.engine.distributed import Process
from squeezenas.search.one_shot import OneShotSearch
from squeezenas.search.setup import build
from squeezenas.tasks.task import Task
from squeezenas.training.fit import Fit
from tests.ask_tell.test_loop import Sum, search
from tests.faults.conftest import said
from tests.faults.programs import left
from tests.search import cells
from tests.search import toy as streets
from tests.search.test_resume import same
from tests.training import toy as training

ALONE = Process(0, 1, torch.device("cpu"))


def copy(value):
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    return [copy(item) for item in value] if isinstance(value, (list, tuple)) else value


def parts_of(state, *names):
    return copy({name: state[name] for name in names})


@pytest.fixture
def spoilt(monkeypatch):
    """Makes the images of all batches NaN from now on, or sound again."""
    whole, on = Task.prepare, []

    def prepare(task, images, labels):
        inputs = whole(task, images, labels)
        return inputs._replace(images=inputs.images * math.nan) if on else inputs

    monkeypatch.setattr(Task, "prepare", prepare)
    return on


def test_a_batch_of_a_retraining(tmp_path, spoilt, seen):
    fit = Fit(training.parts(training.config(tmp_path, ".ema=0.9"), ALONE))
    batches = fit.parts.stream.batches()
    assert math.isfinite(fit.learn(next(batches))["train/gradient_norm"])
    learned = ("network", "average", "optimiser", "scaler")
    before = parts_of(fit.state_dict(), *learned)
    spoilt.append(True)
    assert math.isnan(fit.learn(next(batches))["train/loss"])
    state = fit.state_dict()
    # The rate follows the step, whatever came of it.
    for group, old in zip(
        state["optimiser"]["param_groups"], before["optimiser"]["param_groups"], strict=True
    ):
        old["lr"] = group["lr"]
    assert all(same(state[name], before[name]) for name in ("network", "average", "scaler"))
    assert same(state["optimiser"]["state"], before["optimiser"]["state"])
    assert state["bad"]["total"] == 1
    spoilt.clear()
    assert math.isfinite(fit.learn(next(batches))["train/loss"])
    seen("batch that is not a number, retraining", 1)


def test_batches_of_a_search(tmp_path, spoilt, seen):
    config = streets.config(tmp_path, "regime.warmup_epochs=0")
    searching = OneShotSearch(build(config, ALONE, tmp_path))
    weights, held_out = (stream.batches() for stream in searching.parts.streams)

    def both():
        batch = next(weights)
        step = searching.architecture_step(next(held_out), batch)
        return searching.learn_architecture(step), searching.learn_weights(batch, held_out=True)

    assert both()[0]
    state = searching.state_dict()
    before = parts_of(state, "supernet") | {"logits": copy(state["strategy"]["logits"])}
    spoilt.append(True)
    architecture, weight = both()
    assert architecture == {}
    assert math.isnan(weight["search/loss"])
    state = searching.state_dict()
    assert same(state["supernet"], before["supernet"])
    assert same(state["strategy"]["logits"], before["logits"])
    assert state["bad"]["total"] == 2
    spoilt.clear()
    assert math.isfinite(both()[1]["search/loss"])
    seen("batch that is not a number, search", 2)


def test_a_reward(tmp_path, monkeypatch, seen):
    words = cells.images(tmp_path, "search_enas_cifar10", "regime.strategy.enas.samples=2")
    searching = OneShotSearch(build(load_search(words), ALONE, tmp_path))
    strategy = searching.parts.strategy
    weights, held_out = (stream.batches() for stream in searching.parts.streams)
    batch = next(weights)
    assert searching.learn_architecture(searching.architecture_step(next(held_out), batch))
    before = copy(strategy.state_dict())
    whole = Task.prepare
    monkeypatch.setattr(Task, "prepare", lambda task, *batch: _not_a_number(whole(task, *batch)))
    assert searching.learn_architecture(searching.architecture_step(next(held_out), batch)) == {}
    after = strategy.state_dict()
    for part in ("controller", "optimiser", "baseline", "marginals"):
        assert same(after[part], before[part]), part
    assert math.isfinite(after["baseline"])
    seen("reward that is not a number", 1)


def _not_a_number(inputs):
    return inputs._replace(images=inputs.images * math.nan)


class SometimesInfinite(Sum):
    """Every fifth evaluation diverges, one way or the other."""

    def evaluate(self, architecture, seed):
        found = super().evaluate(architecture, seed)
        worst = (math.inf, -math.inf, math.nan)[len(self.seen) // 5 % 3]
        return replace(found, value=worst) if len(self.seen) % 5 == 0 else found


@pytest.mark.parametrize("name", ["reinforce", "ppo"])
def test_a_score(name, seen):
    searching = search(SometimesInfinite(), name, trials=30, strategy={"batch": 4}, retries=0)
    heard = []
    searching.run(heard.append)
    searching.trials.close()
    assert sum(record.value is None or math.isinf(record.value) for record in heard) == 6
    assert math.isfinite(searching.strategy._baseline)
    weights = searching.strategy.controller.parameters()
    assert all(weight.isfinite().all() for weight in weights)
    seen("score that is infinite", 6)


def test_nothing_but_bad_batches(launcher, tmp_path, seen):
    """Checkpoints are those of ends of epochs: the bad steps come after the last one."""
    own = ("regime.stages.street_scenes.max_bad_steps=2", "checkpoint_minutes=60")
    alone, folder = launcher.alone("retraining", own), tmp_path / "spoilt"
    code = launcher.run("retraining", folder, "not_a_number", {"first": 2}, more=own)
    assert code == 2, said(folder)
    sentence = said(folder).rstrip().splitlines()[-1]
    assert "2 training steps in a row were not finite (step 3); lower" in sentence
    assert "Traceback" not in said(folder)
    assert launcher.run("retraining", folder) == 0, said(folder)
    assert left("retraining", folder / "runs" / "toy") == alone.files
    seen("only batches that are not numbers", 1)
