"""Whole retrainings through the command line."""

import csv
import json
import shlex
import sys

import cv2
import numpy as np
import pytest
import torch

from squeezenas.cli import stage_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import Costs, read_model_card
from squeezenas.training.start import CARD
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import load_into, load_weights, read_weights
from tests.search import toy as toy_search
from tests.training.toy import arguments

STAGE = "1-street_scenes"


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def without_pictures(monkeypatch):
    monkeypatch.setattr(stage_outcome, "_draw", lambda *_: None)
    monkeypatch.setattr(stage_outcome, "_costs", lambda _: Costs(resolution=(64, 128)))


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, repository):
    """A run, its pictures and timings included, and what it said."""
    folder = tmp_path_factory.mktemp("finished")
    patch = pytest.MonkeyPatch()
    patch.chdir(repository)
    quick = stage_outcome.measure_latency
    patch.setattr(stage_outcome, "measure_latency", lambda *a, seconds: quick(*a, seconds=0.0))
    words = arguments(folder, ".epochs=3", ".validate_every=1", ".optimiser.lr=0.02", "seed=5")
    patch.setattr(sys, "argv", ["train.py", *words])
    assert main(["train", *words]) == 0
    patch.undo()
    return folder / "runs" / "toy"


def test_what_a_run_leaves(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {"config.yaml", "environment.json", STAGE, CARD, "summary.json"}
    assert {path.name for path in (finished / STAGE).iterdir()} == {
        "config.yaml", "environment.json", "checkpoints", "metrics.jsonl", "timing.jsonl",
        "best.safetensors", "weights.safetensors", "model.yaml", "summary.json", "classes.csv",
        "curves.png", "confusion_matrix.png", "overlays.png",
    }  # fmt: skip
    for name in ("curves", "confusion_matrix", "overlays"):
        assert cv2.imread(str(finished / STAGE / f"{name}.png")).std() > 1


def test_the_card_rebuilds_the_network_with_its_weights(finished):
    for folder in (finished, finished / STAGE):
        card = read_model_card(folder / CARD)
        network = build(card)
        load_into(network, load_weights(card, folder))
        last = torch.load(finished / STAGE / "checkpoints" / "last.pt", weights_only=True)
        assert last["step"] == 6
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, last["network"][name])
    _, classes = read_weights(finished / STAGE / "best.safetensors")
    assert classes == card.classes


def test_the_card_says_all_that_repeats_it(finished):
    card = read_model_card(finished / CARD)
    assert card.name == "toy"
    assert card.dataset == "street_scenes"
    assert card.costs.resolution == (64, 128)
    assert card.costs.gmacs > 0
    assert card.costs.parameters_millions == pytest.approx(
        sum(parameter.numel() for parameter in build(card).parameters()) / 1e6
    )
    assert card.costs.latency_ms > 0
    assert card.costs.latency_device
    training = card.training
    assert training["stages"]["street_scenes"]["seed"] == 5
    assert training["versions"]["torch"] == torch.__version__
    assert training["regime"]["stages"]["street_scenes"]["epochs"] == 3
    words = shlex.split(training["command"])
    assert words[:3] == ["python", "train.py", f"models={finished / CARD}"]
    assert words[-1] == "seed=5"
    assert "regime.stages.street_scenes.epochs=3" in words


def test_the_last_epoch_is_reported_and_the_best_is_named(finished):
    summary = json.loads((finished / STAGE / "summary.json").read_text())
    rows = [row for row in metrics(finished / STAGE) if "val/miou" in row]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert summary["last_validation"]["epoch"] == 3
    assert summary["last_validation"]["miou"] == rows[-1]["val/miou"]
    best = max(rows, key=lambda row: row["val/miou"])
    assert summary["best_validation"]["miou"] == best["val/miou"]
    assert summary["best_validation"]["epoch"] == best["step"] // 2
    # the same frames, scored whole by two programs
    assert summary["figures"]["miou"] == pytest.approx(rows[-1]["val/miou"], abs=1e-12)
    assert summary["device_hours"] > 0
    whole = json.loads((finished / "summary.json").read_text())
    assert whole == {"street_scenes": summary}


def test_the_table_of_classes(finished):
    with (finished / STAGE / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    card = read_model_card(finished / CARD)
    assert [row["class"] for row in rows] == list(card.classes)
    summary = json.loads((finished / STAGE / "summary.json").read_text())
    scores = np.array([float(row["iou"]) for row in rows])
    assert np.nanmean(scores) == pytest.approx(summary["figures"]["miou"], rel=1e-9)


def test_a_finished_run_is_not_run_again(finished, capsys):
    before = {p: p.read_bytes() for p in (finished / STAGE).rglob("*") if p.is_file()}
    assert main(["train", "--resume", str(finished)]) == 0
    assert f"stage street_scenes is finished: {finished / STAGE}" in capsys.readouterr().out
    assert before == {p: p.read_bytes() for p in (finished / STAGE).rglob("*") if p.is_file()}


def test_a_found_network_is_retrained_without_naming_it(tmp_path, capsys, without_pictures):
    """As after `make demo`: search.py, then train.py, both without a network or a path."""
    from squeezenas.cli import outcome

    patch = pytest.MonkeyPatch()
    patch.setattr(outcome, "draw_search", lambda *_: None)
    patch.setattr(outcome, "draw_overlays", lambda *_: None)
    searched = ["regime.epochs=1", "regime.warmup_epochs=0", "name=found"]
    assert main(["search", *toy_search.arguments(tmp_path, *searched)]) == 0
    patch.undo()
    words = [word for word in arguments(tmp_path) if not word.startswith("models=")]
    assert main(["train", *words]) == 0
    found = read_model_card(tmp_path / "runs" / "found" / "architecture.yaml")
    trained = read_model_card(tmp_path / "runs" / "toy" / CARD)
    assert trained.architecture == found.architecture
    assert trained.search == found.search


def test_one_run_starts_from_the_weights_of_another(finished, tmp_path, capsys, without_pictures):
    card = finished / CARD
    words = (".epochs=1", ".steps_per_epoch=1", ".optimiser.lr=1e-9")
    for init in (card, finished / STAGE / "weights.safetensors"):
        folder = tmp_path / init.suffix[1:]
        assert main(["train", *arguments(folder, f".init={init}", *words)]) == 0
        assert f"weights of {init}: 72 tensors loaded" in capsys.readouterr().out
        start, _ = read_weights(finished / STAGE / "weights.safetensors")
        end, _ = read_weights(folder / "runs" / "toy" / STAGE / "weights.safetensors")
        for name in start:
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                torch.testing.assert_close(end[name], start[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "words",
    [
        [".ema=0.9", ".precision=bf16", ".optimiser.name=lamb", ".accumulation=2", "cache=off"],
        [".loss={kind: ohem, label_smoothing: 0.1}", ".report=val", "cache=memory"],
        ["models.head=deeplabv3plus", ".augmentation={scale: [0.3, 0.4]}", "checkpoint_minutes=0"],
    ],
)
def test_the_options_of_a_stage(words, tmp_path, without_pictures):
    assert main(["train", *arguments(tmp_path, *words)]) == 0
    folder = tmp_path / "runs" / "toy" / STAGE
    rows = metrics(folder)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all(row["train/bad_steps"] == 0 for row in rows)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["split"] == "val"


def test_dry_run_makes_nothing(tmp_path, capsys, repository):
    """Two stages on one data set, of which the second goes on from the first."""
    regime = (repository / "training_regimes" / "retrain_street_scenes.yaml").read_text()
    first, _, stage = regime.partition("  street_scenes:\n")
    file = tmp_path / "two.yaml"
    file.write_text(f"{first}  one:\n{stage}  two:\n{stage}")
    words = [f"training_regimes={file}"]
    for word in arguments(tmp_path):
        if ".street_scenes." in word:
            words += [word.replace(".street_scenes.", f".{name}.") for name in ("one", "two")]
        else:
            words.append(word)
    before = sorted(tmp_path.iterdir())
    assert main(["train", "--dry-run", *words]) == 0
    said = capsys.readouterr().out
    assert "\none: 4 images 32x64 in fp32 on cpu, 4 steps\n" in f"\n{said}"
    assert "\ntwo: 4 images 32x64" in said
    assert "weights of stage one: 72 tensors loaded (stem 6, units 54, head 12)" in said
    for text in ("step  ", "peak memory", "GiB", "whole training: ", "no run folder was made"):
        assert text in said
    assert sorted(tmp_path.iterdir()) == before


def test_optional_libraries_may_be_absent(tmp_path, without_pictures, monkeypatch, capsys):
    for name in ("wandb", "apex", "tensorboard", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    words = arguments(tmp_path, "tracking=[wandb,tensorboard]")
    assert main(["train", *words]) == 0
    said = capsys.readouterr().err
    for name in ("wandb", "tensorboard"):
        assert said.count(f"tracking with {name} is switched off") == 1
    assert (tmp_path / "runs" / "toy" / "summary.json").is_file()


def test_seeds(tmp_path, without_pictures):
    """The same seed gives the same files, another seed others."""
    files = []
    for number, seed in enumerate((3, 3, 4)):
        folder = tmp_path / str(number)
        assert main(["train", *arguments(folder, f"seed={seed}", ".ema=0.5")]) == 0
        place = folder / "runs" / "toy" / STAGE
        files.append([(place / n).read_bytes() for n in ("weights.safetensors", "metrics.jsonl")])
    assert files[0] == files[1]
    assert files[0][0] != files[2][0]
    assert files[0][1] != files[2][1]
