"""Runs stopped by signals or the end of their time, resumed, and compared with those left alone."""

import csv
import itertools
import multiprocessing
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from squeezenas.ask_tell.evaluators.table import TableEvaluator
from squeezenas.cli import outcome, search, stage_outcome, train, trials_outcome
from squeezenas.cli.main import main
from squeezenas.cli.resuming import STOPPED
from squeezenas.core.model_card import Costs
from squeezenas.engine.preemption import SIGNALS, SafePoints
from squeezenas.search import one_shot
from squeezenas.search.score import InheritedWeights
from squeezenas.training.fit import Fit
from tests.cli.test_ask_tell import words
from tests.search import toy
from tests.signals import signalled
from tests.training import toy as retraining


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    """They take most of the time of so short a run, and nothing depends on them."""
    monkeypatch.setattr(outcome, "draw_search", lambda *_, **__: None)
    monkeypatch.setattr(outcome, "draw_overlays", lambda *_, **__: None)
    monkeypatch.setattr(trials_outcome, "_draw", lambda *_, **__: None)
    monkeypatch.setattr(stage_outcome, "_draw", lambda *_, **__: None)
    monkeypatch.setattr(stage_outcome, "_costs", lambda *_: Costs(resolution=(64, 128)))


def same(left, right):
    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def test_a_search_stopped_at_any_stage_ends_the_same(tmp_path, monkeypatch, capfd):
    alone, stopped = tmp_path / "alone", tmp_path / "stopped"
    assert main(["search", *toy.arguments(alone)]) == 0
    command = ["search", "--auto-resume", *toy.arguments(stopped)]
    folder = stopped / "runs" / "toy"
    for kind, method, number, signal_, code in (
        (one_shot.OneShotSearch, "learn_weights", 1, signal.SIGTERM, 75),
        (one_shot.OneShotSearch, "learn_architecture", 0, signal.SIGUSR1, 75),
        (InheritedWeights, "figure", 2, signal.SIGINT, 130),
    ):
        with monkeypatch.context() as patch:
            signalled(patch, kind, method, {number: signal_})
            assert main(command) == code
        said = capfd.readouterr().err
        assert f"stopped by {signal_.name}; everything is kept" in said
        assert f"`python search.py --resume {folder}`" in said
        assert (folder / STOPPED).is_file()
        assert not (folder / "summary.json").exists()
    state = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
    assert len(state["scores"]) == 3  # what was scored is kept
    assert main(command) == 0
    assert not (folder / STOPPED).exists()
    assert "resuming at step 6" in capfd.readouterr().out
    whole = alone / "runs" / "toy"
    for name in ("metrics.jsonl", "candidates.csv", "architecture.yaml", "probabilities.json"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    before = torch.load(whole / "checkpoints" / "last.pt", weights_only=True)
    after = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
    for part in set(before) - {"seconds", "run"}:
        assert same(before[part], after[part]), part
    assert main(command) == 0
    assert f"{folder} is finished already" in capfd.readouterr().out


def test_a_training_stopped_in_mid_epoch_ends_the_same(tmp_path, monkeypatch, capfd):
    alone, stopped = tmp_path / "alone", tmp_path / "stopped"
    assert main(["train", *retraining.arguments(alone)]) == 0
    command = ["train", "--auto-resume", *retraining.arguments(stopped)]
    folder = stopped / "runs" / "toy"
    for number, signal_ in ((0, signal.SIGUSR1), (1, signal.SIGTERM)):
        with monkeypatch.context() as patch:
            signalled(patch, Fit, "learn", {number: signal_})
            assert main(command) == 75
        assert f"`python train.py --resume {folder}`" in capfd.readouterr().err
    assert main(command) == 0
    assert "resuming at step 3" in capfd.readouterr().out
    (place,) = (path for path in folder.iterdir() if path.is_dir())
    whole = alone / "runs" / "toy" / place.name
    for name in ("metrics.jsonl", "classes.csv"):
        assert (place / name).read_bytes() == (whole / name).read_bytes(), name
    assert same(load_file(whole / "weights.safetensors"), load_file(place / "weights.safetensors"))
    assert main(command) == 0
    assert "is finished already" in capfd.readouterr().out


def trials(folder, *columns):
    with (folder / "runs" / "evolved" / "trials.csv").open() as file:
        return [{column: row[column] for column in columns} for row in csv.DictReader(file)]


def test_an_ask_tell_search_stopped_between_evaluations_ends_the_same(tmp_path, monkeypatch, capfd):
    alone, stopped = tmp_path / "alone", tmp_path / "stopped"
    for folder in (alone, stopped):
        folder.mkdir()
    assert main(words(alone)) == 0
    command = [*words(stopped), "--auto-resume"]
    for number, signal_, code in ((11, signal.SIGTERM, 75), (9, signal.SIGINT, 130)):
        with monkeypatch.context() as patch:
            signalled(patch, TableEvaluator, "evaluate", {number: signal_})
            assert main(command) == code
        assert "go on with `python search.py --resume" in capfd.readouterr().err
    assert main(command) == 0
    metrics = [folder / "runs" / "evolved" / "metrics.jsonl" for folder in (alone, stopped)]
    assert metrics[0].read_bytes() == metrics[1].read_bytes()
    columns = ("number", "accuracy", "architecture")
    assert trials(alone, *columns) == trials(stopped, *columns)
    assert main(command) == 0
    assert "is finished already" in capfd.readouterr().out
    assert main([*command, "regime.trials=42"]) == 0  # made longer, it is not
    assert len(trials(stopped, "number")) == 42


def test_an_evaluation_broken_off_is_given_back(tmp_path, monkeypatch):
    """A training that is asked to stop leaves its trial to others, however often that happens."""
    alone, stopped = tmp_path / "alone", tmp_path / "stopped"
    for folder in (alone, stopped):
        folder.mkdir()
    assert main(words(alone)) == 0
    evaluate = TableEvaluator.evaluate

    def evaluate_in_steps(self, *arguments):
        SafePoints().reached()
        return evaluate(self, *arguments)

    command = [*words(stopped), "--auto-resume"]
    for _ in range(7):  # more often than a worker may die with an architecture
        with monkeypatch.context() as patch:
            patch.setattr(TableEvaluator, "evaluate", evaluate_in_steps)
            signalled(patch, TableEvaluator, "evaluate", {3: signal.SIGTERM})
            assert main(command) == 75
    assert main(command) == 0
    columns = ("accuracy", "error", "architecture")
    assert trials(alone, *columns) == trials(stopped, *columns)


def test_processes_beside_it_stop_with_it(tmp_path, monkeypatch, capfd):
    command = [*words(tmp_path), "--workers", "2", "--auto-resume"]
    with monkeypatch.context() as patch:
        signalled(patch, TableEvaluator, "evaluate", {0: signal.SIGTERM})
        assert main(command) == 75
    assert "ended early" not in capfd.readouterr().err
    assert main([word for word in command if word not in ("--workers", "2")]) == 0
    assert len(trials(tmp_path, "number")) == 40


@pytest.mark.parametrize("command", ["search", "train"])
def test_a_signal_before_the_first_step_leaves_no_run(tmp_path, monkeypatch, capfd, command):
    if command == "search":
        words = toy.arguments(tmp_path)
        signalled(monkeypatch, search, "build", {0: signal.SIGUSR1})
    else:
        words = retraining.arguments(tmp_path)
        signalled(monkeypatch, train, "check_stages", {0: signal.SIGUSR1})
    assert main([command, *words]) == 75
    assert "before there was anything to keep; start it again" in capfd.readouterr().err
    assert not (tmp_path / "runs" / "toy").exists()


def test_time_limit_stops_in_good_order(tmp_path, capfd):
    command = ["search", *toy.arguments(tmp_path), "time_limit=0.001"]  # less than the reserve
    assert main(command) == 75
    assert "stopped by time_limit" in capfd.readouterr().err
    folder = tmp_path / "runs" / "toy"
    assert (folder / "metrics.jsonl").read_text().count("\n") == 1
    assert main(["search", "--resume", str(folder), "time_limit=0.001"]) == 75
    assert (folder / "metrics.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--auto-resume"], "--auto-resume: name the run, name=<name>"),
        (["--auto-resume", "name=x", "--resume", "runs/x"], "leave --resume out"),
        (["time_limit=-1"], "time_limit"),
    ],
)
def test_mistakes(more, told, capfd):
    assert main(["search", *more]) == 2
    assert told in capfd.readouterr().err


def test_auto_resume_refuses_another_configuration(tmp_path, monkeypatch, capfd):
    with monkeypatch.context() as patch:
        signalled(patch, one_shot.OneShotSearch, "learn_weights", {0: signal.SIGTERM})
        assert main(["search", *toy.arguments(tmp_path)]) == 75
    capfd.readouterr()
    assert main(["search", *toy.arguments(tmp_path, "seed=3", "--auto-resume")]) == 2
    assert "these keys differ: seed (0 -> 3)" in capfd.readouterr().err


def test_loading_processes_do_not_hear_the_signals_of_their_group(tmp_path, monkeypatch, capfd):
    """Ctrl-C and Slurm reach them too: they neither end nor speak before the main process."""
    learn, loading = one_shot.OneShotSearch.learn_weights, []

    def learn_weights(self, *arguments, **keywords):
        if not loading:
            loading.extend(multiprocessing.active_children())
            for child, number in itertools.product(loading, SIGNALS):
                os.kill(child.pid, number)
            signal.raise_signal(signal.SIGTERM)
        return learn(self, *arguments, **keywords)

    monkeypatch.setattr(one_shot.OneShotSearch, "learn_weights", learn_weights)
    assert main(["search", *toy.arguments(tmp_path, "workers=1")]) == 75
    assert loading
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert said.count("stopped by SIGTERM") == 1


def test_the_exit_codes_are_on_the_help_page(capsys):
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    for code in (0, 1, 2, 75, 130):
        assert f"\n  {code} " in page
    assert "--auto-resume" in page
