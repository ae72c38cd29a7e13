import csv
import json

import numpy as np
import pytest

from squeezenas.cli.predictor import main
from squeezenas.core.space import make_space
from squeezenas.predictors.saved import load_predictor

CARD = """name: mine
title: My table
task: table
space: tabular
scale: {choices: {depth: [], width: [], kernel: []}}
root: ROOT
layout: rows
file: rows.csv
figures:
  accuracy: {column: accuracy, label: accuracy, divide_by: 100}
  loss: {column: loss, label: validation loss, higher_is_better: false, percent: false}
licence: mine
source: a test
how_to_get: it is written by the test
"""
QUICK = ["settings.mlp.epochs=3", "settings.gcn.epochs=2", "settings.gcn.hidden=8"]


def accuracy(depth, width, kernel):
    return 70 + 3 * depth + width / 32 - (kernel - 5) ** 2 / 4


@pytest.fixture
def table(tmp_path):
    rows = [(d, w, k) for d in range(1, 6) for w in (16, 32, 64) for k in (3, 5, 7)]
    lines = [f"{d},{w},{k},{accuracy(d, w, k)},{100 - accuracy(d, w, k)}" for d, w, k in rows]
    header = "depth,width,kernel,accuracy,loss"
    (tmp_path / "rows.csv").write_text("\n".join([header, *lines]))
    (tmp_path / "mine.yaml").write_text(CARD.replace("ROOT", str(tmp_path)))
    return f"datasets={tmp_path}/mine.yaml"


def test_predictors_are_compared_on_the_same_splits(table, tmp_path, capsys):
    words = ["score", table, "predictor=[gcn,mlp,boosting]", "n=30", "splits=2", "top=[1,5]"]
    assert main([*words, *QUICK, f"output={tmp_path}/out"]) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "predictors.json").read_text())
    assert list(report["splits"]) == ["gcn", "mlp", "boosting"]
    for name, rows in report["splits"].items():
        assert len(rows) == 2
        taus = [row["kendall"] for row in rows]
        assert report["mean"][name]["kendall"] == pytest.approx(np.mean(taus))
        line = next(line for line in printed.splitlines() if line.startswith(name))
        assert f"{np.mean(taus):.3f} +- {np.std(taus):.3f}" in line
        assert "regret@5" in rows[0]
    assert "30 architectures learned from, 15 others predicted" in printed
    assert "mse and regret in percent" in printed
    assert report["mean"]["boosting"]["kendall"] > 0.5  # one that is not cut short
    assert report["libraries"]["torch"]


def test_splits_follow_the_seed_alone(table, tmp_path):
    def score(folder, *words):
        main(["score", table, "predictor=mlp", "n=20", "settings.mlp.epochs=2", "splits=3",
              f"output={tmp_path}/{folder}", *words])  # fmt: skip
        rows = json.loads((tmp_path / folder / "predictors.json").read_text())["splits"]["mlp"]
        return [row["kendall"] for row in rows]

    first = score("a")
    assert score("b") == first
    assert score("c", "seed=1", "splits=2") == first[1:]


@pytest.mark.parametrize("figure", ["accuracy", "loss"])
def test_a_fitted_predictor_is_kept_with_its_predictions(figure, table, tmp_path, capsys):
    words = ["fit", table, f"figure={figure}", "predictor=boosting", "settings.trees=80", "n=35"]
    assert main([*words, f"output={tmp_path}/out"]) == 0
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    said = [float(row[f"predicted {figure}"]) for row in rows]
    assert len(rows) == 10
    assert said == sorted(said, reverse=figure == "accuracy")
    true = [accuracy(*map(int, row["architecture"].split())) for row in rows]
    true = np.array(true) / 100 if figure == "accuracy" else 100 - np.array(true)
    assert np.corrcoef(said, true)[0, 1] > 0.8
    assert np.abs(np.array(said) - true).mean() < (0.03 if figure == "accuracy" else 3)
    assert "learned from 35 architectures of My table and predicted 10" in capsys.readouterr().out
    choices = {"depth": "12345", "width": ("16", "32", "64"), "kernel": "357"}
    space = make_space("tabular", {"choices": {k: tuple(v) for k, v in choices.items()}})
    predictor = load_predictor(tmp_path / "out" / "predictor.safetensors", space)
    best = predictor.predict([space.read(rows[0]["architecture"].split())])[0]
    expected = said[0] if figure == "accuracy" else -said[0]
    assert best == pytest.approx(expected, rel=1e-5)


def test_named_candidates_are_predicted(table, tmp_path):
    (tmp_path / "some.txt").write_text("5 64 5\n\n1 16 3\n")
    words = ["fit", table, "predictor=boosting", f"candidates={tmp_path}/some.txt"]
    assert main([*words, f"output={tmp_path}"]) == 0
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["architecture", "5 64 5", "1 16 3"]


def test_a_whole_table_leaves_nothing_to_predict(table, tmp_path, capsys):
    assert main(["fit", table, "predictor=boosting", f"output={tmp_path}/out"]) == 0
    assert "nothing is left to predict" in capsys.readouterr().out
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_mistakes(table, tmp_path):
    (tmp_path / "wrong.txt").write_text("5 64 5\n9 64 5\n")
    (tmp_path / "none.txt").write_text("\n")
    out = f"output={tmp_path}/out"
    for words, told in (
        ([], "unknown command ''"),
        (["scor", table], "did you mean 'score'"),
        (["score"], "name a table with datasets=CARD; known: .*nasbench101"),
        (["score", "datasets=cifar10"], "=cifar10 is no table of results; known: .*nasbench101"),
        (["score", table, "predictor=gnc"], "did you mean 'gcn'"),
        (["score", table, "predictor=mlp", "settings.mpl.epochs=2"], "settings.mpl: not among"),
        (["score", table, "settings.gcn.epoch=2"], "predictor gcn: settings.epoch: unknown key"),
        (["score", table, "n=44"], "n=44 of 45 architectures leaves 1 to predict"),
        (["score", table, "figure=top1"], "has no figure 'top1'"),
        (["score", table, "splitz=3"], "splitz: unknown key"),
        (["fit", table], "output: missing"),
        (["fit", table, out, "n=1", "predictor=mlp"], "at least 2 architectures, got 1"),
        (["fit", table, out, f"candidates={tmp_path}/wrong.txt"], r"wrong.txt, line 2: depth"),
        (["fit", table, out, f"candidates={tmp_path}/none.txt"], "no architectures"),
    ):
        with pytest.raises(ValueError, match=told):
            main(words)
    with pytest.raises(FileNotFoundError, match="no such file; check the path"):
        main(["fit", table, out, f"candidates={tmp_path}/missing.txt"])
