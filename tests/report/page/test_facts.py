"""What the report says of a run, and of runs that did not go as they should, is what they left."""

import csv
import json

import pytest

from tests.report.made_runs import ask_tell_run, one_shot_run
from tests.report.page.html_page import page_of, rows_of


def change(path, **changes):
    """Lays changes over a JSON file, key by key where both have a mapping."""
    content = json.loads(path.read_text())
    for key, value in changes.items():
        content[key] = content[key] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(content))


def fact(page, term):
    """What is told under a term."""
    told = [text for text in page.texts if text.strip()]
    return told[told.index(term) + 1]


def test_facts_are_those_of_the_files(tmp_path):
    search = one_shot_run(tmp_path / "run")
    page = page_of(search)
    summary = json.loads((search / "summary.json").read_text())
    (environment,) = json.loads((search / "environment.json").read_text())
    chosen, baseline = summary["chosen"], summary["random"]
    share = chosen["cost"] / summary["target"]
    assert fact(page, "selection mIoU") == f"{chosen['selection_miou']:.2%}"
    assert fact(page, "report mIoU") == f"{chosen['report_miou']:.2%}"
    assert fact(page, "cost") == f"{chosen['cost']:.4g} GMACs, {share:.1%} of the target 0.05"
    assert fact(page, "random baseline") == (
        f"{baseline['mean']:.2%} ± {baseline['standard_error']:.2%} "
        "(standard error; 8 networks of the same cost)"
    )
    assert fact(page, "scored networks").startswith("32 (")
    assert fact(page, "device-hours") == f"{summary['device_hours']:.4g}"
    assert (
        fact(page, "CPU") == f"{environment['cpu']['model']}, {environment['cpu']['count']} cores"
    )
    assert f"torch {environment['libraries']['torch']}" in fact(page, "libraries")
    assert fact(page, "Python") == environment["python"]
    assert f"finished: mIoU {chosen['report_miou']:.2%} at {chosen['cost']:.4g} GMACs." in page.text


def test_a_chosen_network_that_diverged_does_not_look_good(tmp_path):
    folder = one_shot_run(tmp_path / "run")
    change(folder / "summary.json", chosen={"report_miou": None}, random={"diverged": 2})
    page = page_of(folder)
    assert fact(page, "report mIoU") == "not finite"
    assert "finished: mIoU not finite at" in page.text
    assert fact(page, "random baseline").endswith(
        "(standard error; 8 networks of the same cost, 2 more diverged)"
    )


def test_costs_of_different_units_are_different_columns(tmp_path):
    folders = [one_shot_run(tmp_path / unit, unit=unit) for unit in ("GMACs", "ms")]
    page = page_of(*folders)
    columns = {column["name"]: column for column in page.data["columns"]}
    assert {"cost (GMACs)", "cost (ms)"} <= columns.keys()
    rows = [rows_of(folder) for folder in folders]
    costs = [[float(row["cost"]) for row in part] for part in rows]
    assert columns["cost (GMACs)"]["values"] == [*costs[0], *[None] * len(rows[1])]
    assert columns["cost (ms)"]["values"] == [*[None] * len(rows[0]), *costs[1]]


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path):
    folders = [one_shot_run(tmp_path / name / "runs" / "search", epochs=6 + i)
               for i, name in enumerate("ab")]  # fmt: skip
    page = page_of(*folders)
    labels = {t["name"] for t in page.data["plots"]["pareto"]["data"]}
    assert labels == {"a/runs/search", "b/runs/search"}
    (runs,) = (column for column in page.data["columns"] if column["name"] == "run")
    assert set(runs["values"]) == labels
    assert page.text.count("a/runs/search") == 2  # the group, and the keys that differ


def test_searches_whose_trials_all_failed_show_them(tmp_path):
    folder = ask_tell_run(tmp_path / "run", trials=5)
    (folder / "summary.json").unlink()
    rows = rows_of(folder, "trials")
    with (folder / "trials.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "miou": "", "error": "out of memory"} for row in rows)
    page = page_of(folder)
    assert page.data["shown"] is None
    assert {"candidates", "network"} <= page.ids


def test_a_chosen_network_that_is_not_in_the_table_is_not_another(tmp_path):
    folder = ask_tell_run(tmp_path / "run")
    change(folder / "summary.json", chosen={"number": 99})
    page = page_of(folder)
    assert page.data["shown"] is None
    names = " ".join(t["name"] for t in page.data["plots"]["pareto"]["data"])
    assert "chosen" not in names
    assert fact(page_of(ask_tell_run(tmp_path / "whole")), "scored networks") == (
        "29 (29 evaluated), 1 without a figure"
    )


def test_curves_of_trials_are_in_the_units_of_the_table(tmp_path):
    page = page_of(ask_tell_run(tmp_path / "run"))
    assert "best so far, mIoU (%)" in page.text
    assert "cost of each trial, GMACs" in page.text
    (best,) = (
        plot["data"][0]["y"]
        for name, plot in page.data["plots"].items()
        if name.startswith("curve")
        and plot["data"][0]["mode"] == "markers"
        and plot["data"][0]["y"] == sorted(plot["data"][0]["y"])
    )
    top = max(100 * float(row["miou"] or 0) for row in rows_of(tmp_path / "run", "trials"))
    assert best[-1] == pytest.approx(top)


def test_an_empty_distribution_is_no_heat_map(tmp_path):
    folder = one_shot_run(tmp_path / "run")
    (folder / "probabilities.json").write_text('[{"unit00": []}]')
    assert "heat-map" not in page_of(folder).ids
