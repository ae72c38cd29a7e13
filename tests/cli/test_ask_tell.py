"""Whole ask/tell searches through the command line."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from squeezenas.cli import outcome, trials_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import read_model_card
from tests.search.toy import arguments, streets

TABLE = """
name: small
title: A small table
licence: none
how_to_get: write it
task: table
space: tabular
layout: rows
root: {root}
file: small.csv
scale:
  choices:
    first: [a, b, c]
    second: [a, b, c]
    third: [a, b, c]
figures:
  accuracy: {{column: accuracy, label: accuracy, divide_by: 100}}
costs:
  ms: {{column: ms, unit: ms}}
"""


@pytest.fixture
def without_pictures(monkeypatch):
    monkeypatch.setattr(trials_outcome, "_draw", lambda *_: None)


def small_table(folder):
    """A card of a table of 27 architectures whose best is `c c c`."""
    rows = ["first,second,third,accuracy,ms"]
    for index, word in enumerate(f"{a}{b}{c}" for a in "abc" for b in "abc" for c in "abc"):
        gains = sum("abc".index(letter) for letter in word)
        rows.append(f"{','.join(word)},{50 + 5 * gains + index / 100},{1 + gains}")
    (folder / "small.csv").write_text("\n".join(rows) + "\n")
    (folder / "small.yaml").write_text(TABLE.format(root=folder))
    return folder / "small.yaml"


def words(folder, *more):
    return [
        "search",
        "training_regimes=search_aging_evolution",
        f"datasets={small_table(folder)}",
        f"runs={folder}/runs",
        "name=evolved",
        "regime.trials=40",
        "regime.strategy.population=6",
        "regime.strategy.sample=3",
        *more,
    ]


def rows(folder):
    with (folder / "runs" / "evolved" / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_table_is_searched(tmp_path, capsys):
    assert main(words(tmp_path, "regime.objective={cost: ms, target: 6}")) == 0
    folder = tmp_path / "runs" / "evolved"
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.yaml", "environment.json", "metrics.jsonl", "trials.csv", "trials.journal",
        "curve.png", "pareto.png", "summary.json",
    }  # fmt: skip
    found = rows(tmp_path)
    assert len(found) == 40
    assert max(float(row["cost"]) for row in found) <= 6
    summary = json.loads((folder / "summary.json").read_text())
    best = max(found, key=lambda row: float(row["accuracy"]))
    assert summary["chosen"]["architecture"] == best["architecture"].split()
    assert summary["chosen"]["accuracy"] == float(best["accuracy"])
    assert summary["evaluations"] == 40
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 41))
    bests = [line["trial/best"] for line in lines]
    assert bests == sorted(bests)
    assert bests[-1] == max(line["trial/value"] for line in lines)
    assert "aging_evolution on tabular (27 architectures)" in capsys.readouterr().out


def test_processes_share_a_study(tmp_path, without_pictures):
    more = ("regime.trials=60", "--workers", "2")
    assert main(words(tmp_path, *more)) == 0
    found = rows(tmp_path)
    assert len(found) == len({row["number"] for row in found}) == 60
    log = (tmp_path / "runs" / "evolved" / "workers.log").read_text()
    assert "Error" not in log, log


def test_a_killed_search_goes_on_and_ends_the_same(tmp_path, without_pictures):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    assert main(words(whole, "regime.trials=300")) == 0
    command = [sys.executable, "-m", "squeezenas.cli.main", *words(broken, "regime.trials=300")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = broken / "runs" / "evolved" / "trials.journal"
    deadline = time.monotonic() + 120
    while not (journal.is_file() and journal.read_bytes().count(b"\n") > 100):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (broken / "runs" / "evolved" / "summary.json").exists()
    assert main(["search", "--resume", str(broken / "runs" / "evolved")]) == 0

    def plain(folder):
        kept = ("accuracy", "architecture")
        return [{key: row[key] for key in kept} for row in rows(folder)]

    assert plain(broken) == plain(whole)


def test_several_commands_share_one_study(tmp_path, without_pictures, capsys):
    storage = f"storage=sqlite:///{tmp_path}/trials.db"
    assert main(words(tmp_path, storage, "study=ours", "regime.trials=12")) == 0
    first = rows(tmp_path)
    assert main(words(tmp_path, storage, "study=ours", "name=second", "regime.trials=20")) == 0
    with (tmp_path / "runs" / "second" / "trials.csv").open() as file:
        both = list(csv.DictReader(file))
    assert len(both) == 20
    assert both[:12] == first
    other = words(tmp_path, storage, "study=ours", "name=third", "regime.strategy.sample=2")
    assert main(other) == 2
    assert "strategy" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "third").exists()


def test_a_finished_search_can_be_made_longer(tmp_path, without_pictures):
    assert main(words(tmp_path)) == 0
    folder = tmp_path / "runs" / "evolved"
    assert main(["search", "--resume", str(folder), "regime.trials=55"]) == 0
    assert len(rows(tmp_path)) == 55
    assert main(["search", "--resume", str(folder), "regime.strategy.sample=2"]) == 2


def test_networks_inherit_from_a_searched_supernet(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(outcome, "draw_search", lambda *_: None)
    monkeypatch.setattr(outcome, "draw_overlays", lambda *_: None)
    streets_words = [
        f"runs={tmp_path}/runs",
        f"datasets.root={streets()}",
        "datasets.generate={height: 64, width: 128, train: 12, val: 4}",
        "device=cpu",
        "training_regimes=search_random",
        "regime.trials=4",
        "name=inherited",
    ]
    assert main(["search", *streets_words]) == 2
    assert "run `python search.py` first" in capsys.readouterr().err
    assert main(["search", *arguments(tmp_path)]) == 0
    assert main(["search", *streets_words]) == 0
    folder = tmp_path / "runs" / "inherited"
    card = read_model_card(folder / "architecture.yaml")
    assert card.space == "toy"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["target"] == 0.004  # of the search whose supernet it is
    assert summary["chosen"]["cost"] <= 0.004
    assert card.search["report_miou"] == summary["chosen"]["report_miou"]
    assert list(card.architecture) == summary["chosen"]["architecture"]
    pinned = yaml.safe_load((folder / "config.yaml").read_text())["regime"]["evaluator"]
    assert pinned["supernet"] == str(tmp_path / "runs" / "toy")  # also when a newer one comes
    assert main(["search", *streets_words, "name=dry", "--dry-run"]) == 0
    assert "evaluations take about" in capsys.readouterr().out
    assert not (tmp_path / "runs" / "dry").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["regime.strategy.name=agin_evolution"], "did you mean 'aging_evolution'?"),
        (["regime.strategy.populaton=3"], "its own keys: population, sample"),
        (["regime.trials=6"], "begins with 6 evaluations"),
        (["regime.objective.figure=accurac"], "accuracy"),
        (["regime.objective.cost=joule"], "joule"),
        (["regime.objective={kind: penalty, target: 3}"], "needs a cost"),
        (["regime.objective.kind=penalty"], "kind=penalty needs a target"),
        (["regime.space=squeezenas_small"], "regime.space=squeezenas_small"),
        (["storage=postgresql://nobody@127.0.0.1:9/none"], "127.0.0.1"),
        (["storage=redis"], "storage: not understood, expected memory"),
        (["storage=memory", "--workers", "2"], "storage=memory is of one process"),
        (["regime.objective.kind=pareto"], "needs a cost"),
        (["training_regimes=search_street_scenes"], "is a table of results"),
        (["regime.objective={kind: pareto, cost: ms}"], "looks at one figure alone; use nsga2"),
        (["regime.scale.cells=9"], "regime.scale: the networks of a table have their sizes"),
        (
            ["regime.evaluator={name: train, regime: retrain_street_scenes}"],
            "regime.evaluator: a table is looked up",
        ),
        (["--workers", "two"], "--workers: say how many processes"),
        (["regime.objective.target=3"], "needs a cost; name one with regime.objective.cost=; it"),
    ],
)
def test_mistakes_leave_nothing_behind(tmp_path, capsys, more, message):
    assert main(words(tmp_path, *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs" / "evolved").exists()
