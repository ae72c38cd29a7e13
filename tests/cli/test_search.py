"""Whole searches through the command line."""

import csv
import json
import sys

import pytest
import torch

from squeezenas.cli import outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import read_model_card
from squeezenas.costs import price
from squeezenas.runtimes.runtime import available
from tests.search.toy import ToySpace, arguments


@pytest.fixture
def without_pictures(monkeypatch):
    """They take most of the time of so short a search."""
    monkeypatch.setattr(outcome, "draw_search", lambda *_: None)
    monkeypatch.setattr(outcome, "draw_overlays", lambda *_: None)


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_search_leaves_all_that_is_needed(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard")
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert main(["search", *arguments(tmp_path, "tracking=[tensorboard,wandb]")]) == 0
    folder = tmp_path / "runs" / "toy"
    assert {path.name for path in folder.iterdir()} >= {
        "config.yaml", "environment.json", "metrics.jsonl", "timing.jsonl", "checkpoints",
        "architecture.yaml", "candidates.csv", "probabilities.json", "summary.json",
        "architecture.png", "probabilities.png", "pareto.png", "curves.png", "overlays.png",
    }  # fmt: skip
    assert all(path.stat().st_size > 1000 for path in folder.glob("*.png"))
    assert list(folder.rglob("events.out.tfevents*"))
    assert list(folder.glob("wandb/offline-run-*/run-*.wandb"))

    card = read_model_card(folder / "architecture.yaml")
    assert card.space == "toy"
    assert card.costs.gmacs <= 0.004
    known = json.loads((folder / "tracking.json").read_text())["sinks"]
    assert (card.search["run"], card.search["tracking"]) == ("toy", known)
    assert known["wandb"]["artifact"] == f"squeezenas/toy-architecture:{known['wandb']['id']}"
    with (folder / "candidates.csv").open() as file:
        rows = list(csv.DictReader(file))
    (chosen,) = (row for row in rows if row["chosen"] == "True")
    assert chosen["architecture"].split() == list(card.architecture)
    assert float(chosen["cost"]) == pytest.approx(card.costs.gmacs, rel=1e-6)
    assert {row["kind"] for row in rows} == {"argmax", "sampled", "random"}

    summary = json.loads((folder / "summary.json").read_text())
    assert summary["chosen"]["architecture"] == list(card.architecture)
    assert summary["device_hours"] > 0
    for epoch in json.loads((folder / "probabilities.json").read_text()):
        assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in epoch.values())
    lines = metrics(folder)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert {
        "search/loss", "search/lr", "architecture/loss", "architecture/expected_cost",
        "architecture/entropy", "architecture/skips", "architecture/multiplier", "search/miou",
    } <= set(lines[-1])  # fmt: skip
    said = capsys.readouterr()
    assert "chosen: 0.00" in said.out
    assert "switched off" not in said.err


@pytest.mark.parametrize(
    "keys",
    [
        [
            "cost.kind=parameters",
            "cost.target=0.02",
            "strategy.sampling=hard",
            "head=deeplabv3plus",
        ],
        ["memory=lean", "precision=bf16", "cost.penalty=additive", "select.protocol=paper"],
        ["optimiser.name=adamw", "strategy.optimiser.name=sgd", "cost.penalty=mnasnet"],
        ["cost.penalty=fbnet", "crop=[96,160]", "select.recalibration_batches=0"],  # padded crops
    ],
)
def test_the_options_of_a_regime(keys, tmp_path, without_pictures):
    words = [f"regime.{key}" for key in keys]
    assert main(["search", *arguments(tmp_path, *words)]) == 0
    folder = tmp_path / "runs" / "toy"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["chosen"]["cost"] <= summary["target"]
    assert len(read_model_card(folder / "architecture.yaml").architecture) == 4
    assert all(line["search/bad_steps"] == 0 for line in metrics(folder))


def test_latency_is_measured_once(tmp_path, without_pictures, monkeypatch):
    device = torch.device("cpu")
    table = price.latency_table(
        ToySpace(), 19, "lr_aspp", (64, 128), device, seconds=0.0, rounds=1, progress=False
    )
    target = (table.cheapest() + table.dearest()) / 2
    measured = []
    monkeypatch.setattr(price, "latency_table", lambda *a, **k: measured.append(a) or table)
    words = arguments(tmp_path, "regime.cost.kind=latency", f"regime.cost.target={target}")
    assert main(["search", *words]) == 0
    folder = tmp_path / "runs" / "toy"
    saved = (folder / "latency.json").read_bytes()
    card = read_model_card(folder / "architecture.yaml")
    chosen = json.loads((folder / "summary.json").read_text())["chosen"]
    assert chosen["cost"] <= target
    assert card.costs.latency_ms == pytest.approx(chosen["measured_ms"])
    assert card.costs.latency_device
    assert main(["search", "--resume", str(folder)]) == 0
    assert len(measured) == 1
    assert (folder / "latency.json").read_bytes() == saved


def test_latency_of_another_runtime(tmp_path, without_pictures, monkeypatch):
    if "onnxruntime" not in available():
        pytest.skip("onnxruntime is not installed")
    table = price.latency_table(
        ToySpace(), 19, "lr_aspp", (64, 128), torch.device("cpu"),
        seconds=0.0, rounds=1, progress=False,
    )  # fmt: skip
    asked, timed = [], []
    monkeypatch.setattr(price, "latency_table", lambda *a, **k: asked.append(k) or table)
    measure = outcome.measure_latency
    monkeypatch.setattr(
        outcome, "measure_latency", lambda *a, **k: timed.append(k) or measure(*a, **k, seconds=0)
    )
    words = arguments(
        tmp_path, "regime.cost.kind=latency", "regime.cost.runtime=onnxruntime",
        f"regime.cost.target={table.dearest()}",
    )  # fmt: skip
    assert main(["search", *words]) == 0
    assert asked[0]["runtime"] == timed[0]["runtime"] == "onnxruntime"
    summary = json.loads((tmp_path / "runs" / "toy" / "summary.json").read_text())
    assert summary["chosen"]["measured_ms"] > 0


def test_dry_run_makes_nothing(tmp_path, capsys):
    assert main(["search", "--dry-run", *arguments(tmp_path)]) == 0
    said = capsys.readouterr().out
    for word in ("weight step", "architecture step", "peak memory", "reachable cost", "GMACs"):
        assert word in said
    assert list(tmp_path.iterdir()) == []


def test_optional_libraries_may_be_absent(tmp_path, without_pictures, monkeypatch, capsys):
    for name in ("wandb", "apex", "tensorboard", "torch.utils.tensorboard", "timm"):
        monkeypatch.setitem(sys.modules, name, None)
    words = arguments(tmp_path, "tracking=[wandb,tensorboard]")
    assert main(["search", *words]) == 0
    said = capsys.readouterr().err
    for name in ("wandb", "tensorboard"):
        assert said.count(f"tracking with {name} is switched off") == 1
    assert (tmp_path / "runs" / "toy" / "summary.json").is_file()
