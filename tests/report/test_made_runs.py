"""The generated run folders have the files and keys of real ones."""

import csv
import json

import pytest
import yaml

from squeezenas.cli import outcome, trials_outcome
from squeezenas.cli.main import main
from tests.report.made_runs import HOSTILE, ask_tell_run, hostile_run, one_shot_run
from tests.search.toy import arguments


@pytest.fixture
def without_pictures(monkeypatch):
    monkeypatch.setattr(outcome, "draw_search", lambda *_: None)
    monkeypatch.setattr(outcome, "draw_overlays", lambda *_: None)
    monkeypatch.setattr(trials_outcome, "_draw", lambda *_: None)


def keys(value):
    """Keys at all depths, in their order; of lists those of the first and the last item."""
    if isinstance(value, dict):
        return [(key, keys(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [keys(item) for item in (*value[:1], *value[-1:]) if isinstance(item, dict)]
    return None


def layout(folder):
    """What must not differ: keys of the files that are read again, columns of tables."""
    found = {}
    for path in folder.iterdir():
        if path.suffix == ".csv":
            with path.open() as file:
                found[path.name] = next(csv.reader(file))
        elif path.suffix == ".jsonl":
            found[path.name] = keys([json.loads(line) for line in path.read_text().splitlines()])
        elif path.suffix == ".json":
            found[path.name] = keys(json.loads(path.read_text()))
        elif path.name == "config.yaml":
            found[path.name] = keys(yaml.safe_load(path.read_text()))
    return found


def test_made_runs_are_as_real_ones(tmp_path, without_pictures):
    real = tmp_path / "runs"
    assert main(["search", *arguments(tmp_path)]) == 0
    made = layout(one_shot_run(tmp_path / "made", space="toy", epochs=3, candidates=3))
    found = layout(real / "toy")
    assert {name: found[name] for name in made} == made

    words = [
        "training_regimes=search_aging_evolution", f"runs={real}", "name=evolved",
        f"regime.evaluator.supernet={real / 'toy'}", "regime.trials=4", "device=cpu",
        "regime.strategy.population=2", "regime.strategy.sample=1",
    ]  # fmt: skip
    assert main(["search", *words]) == 0
    made, found = layout(ask_tell_run(tmp_path / "told", space="toy")), layout(real / "evolved")
    assert {name: found[name] for name in made} == made


def test_hostile_names_are_in_every_file(tmp_path):
    folder = hostile_run(tmp_path / "hostile")
    for name in ("candidates.csv", "summary.json", "probabilities.json", "environment.json"):
        text = (folder / name).read_text()
        assert "window.hacked=1" in text
    with (folder / "candidates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(len(row["architecture"].split()) == len(HOSTILE) for row in rows)
