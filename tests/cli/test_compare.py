import json

import pytest

from squeezenas.cli.compare import main
from squeezenas.core.compare_config import load_comparison

CARD = """
name: t
title: Planted
task: table
space: tabular
scale: {choices: {depth: [], width: []}}
root: ROOT
layout: rows
file: t.json
figures:
  accuracy: {column: accuracy, label: accuracy, divide_by: 100}
  test: {column: test, label: test accuracy, divide_by: 100}
costs:
  seconds: {column: seconds, unit: s}
seconds: seconds
licence: none
source: me
how_to_get: write it
"""


@pytest.fixture
def card(tmp_path):
    rows = [
        {"depth": d, "width": w, "accuracy": 60 + d + w, "test": 50 + d + w, "seconds": 1 + d}
        for d in range(4)
        for w in range(4)
    ]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    (tmp_path / "t.yaml").write_text(CARD.replace("ROOT", str(tmp_path)))
    return tmp_path / "t.yaml"


def test_searches_in_processes_table_numbers_and_picture(card, tmp_path, capsys):
    words = [
        f"datasets={card}", "strategies=random,small", "report=test", "budget=[3,8]", "seeds=3",
        "settings.small={name: aging_evolution, population: 2, sample: 2}",
        f"output={tmp_path / 'out'}",
    ]  # fmt: skip
    assert main(load_comparison(words)) == 0
    printed = capsys.readouterr().out
    for text in ("after 3 evaluations", "after 8 evaluations", "p random", "3 seeds", "Wilcoxon"):
        assert text in printed
    report = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert report["best_of_table"] == pytest.approx(0.66)
    rows = {row["label"]: row for row in report["after"]["8"]}
    assert set(rows) == {"random", "small"}
    for label, row in rows.items():
        assert row["value"] + row["regret"] == pytest.approx(0.66)
        assert row["reported"]["regret"] == pytest.approx(row["regret"])
        assert report["curves"][label]["mean"][-1] == pytest.approx(row["value"], abs=1e-6)
        assert f"{100 * row['value']:.3f} +- {100 * row['half']:.3f}" in printed
    assert "root" not in report["config"]["datasets"]
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a table with datasets=CARD; known: .*nasbench201"),
        (["datasets=camvid"], "datasets=camvid is no table of results; known: .*nasbench201"),
        (["datasets=CARD", "budget=[300,150]"], r"budget: must rise, got \[300, 150\]"),
        (
            ["datasets=CARD", "strategies=nao", "settings.nao.initial=600"],
            "budget=300: strategy nao begins with 600 .*; lower settings.nao.initial, or raise",
        ),
        (["datasets=CARD", "seed=3"], "seed: unknown key.*did you mean 'seeds'"),
        (["datasets=CARD", "figure=top1"], "figure=top1: table t has no such figure"),
    ],
)
def test_mistakes(card, words, message, repository, monkeypatch):
    monkeypatch.chdir(repository)
    words = [word.replace("CARD", str(card)) for word in words]
    with pytest.raises(ValueError, match=message):
        main(load_comparison(words))
