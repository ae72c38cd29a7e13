import base64
import hashlib
import json
import re
from statistics import fmean, stdev

import pytest

from squeezenas.report.page.page import embedded, write_report
from squeezenas.report.page.reading import read_run
from tests.report.made_runs import HOSTILE, ask_tell_run, hostile_run, one_shot_run
from tests.report.page.html_page import Page, page_of, rows_of


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return one_shot_run(tmp_path_factory.mktemp("runs") / "search")


@pytest.fixture(scope="module")
def page(search):
    return page_of(search)


def test_it_has_what_the_browser_test_and_readers_look_for(page):
    wanted = {"summary", "pareto", "heat-map", "epoch", "epoch-label", "curves", "candidates"}
    assert wanted | {"filter", "filter-count", "network", "data"} <= page.ids
    assert "One-shot search, finished" in page.text
    assert "random baseline" in page.text


def test_points_of_the_pareto_plot_are_rows_of_the_table(page, search):
    rows = rows_of(search)
    points = {}
    for trace in page.data["plots"]["pareto"]["data"]:
        for (row,), x, y in zip(trace.get("customdata", []), trace["x"], trace["y"], strict=False):
            points[row] = (x, y)
    assert points == {
        row: (float(one["cost"]), pytest.approx(100 * float(one["miou"])))
        for row, one in enumerate(rows)
    }
    names = " ".join(trace["name"] for trace in page.data["plots"]["pareto"]["data"])
    assert "random, same cost (8)" in names
    assert "chosen" in names


def test_the_table_is_the_csv_and_the_chosen_network_is_shown(page, search):
    rows = rows_of(search)
    columns = {column["name"]: column for column in page.data["columns"]}
    assert columns["cost"]["values"] == [float(row["cost"]) for row in rows]
    assert columns["kind"]["values"] == [row["kind"] for row in rows]
    assert page.genotypes() == [row["architecture"] for row in rows]
    assert rows[page.data["shown"]]["chosen"] == "True"
    ((begin, end, keys),) = page.data["chains"]
    assert (begin, end, len(keys)) == (0, len(rows), 20)


def test_the_slider_has_every_epoch_of_the_history(page, search):
    history = json.loads((search / "probabilities.json").read_text())
    shown = page.data["history"]
    assert shown["epochs"] == list(range(1, len(history) + 1))
    for rows, z in zip(history, shown["z"], strict=True):
        for choice, key in enumerate(rows):
            column = [row[choice] for row in z]
            assert column == pytest.approx(rows[key], abs=1e-4)
    figure = page.data["plots"]["heat-map"]["data"][0]
    assert figure["zmin"] == 0
    assert figure["y"][-1] == "skip"


def test_curves_are_the_logged_metrics(page, search):
    lines = [json.loads(line) for line in (search / "metrics.jsonl").read_text().splitlines()]
    (loss,) = page.data["plots"]["curve-0"]["data"]
    assert loss["x"] == [line["step"] for line in lines]
    assert loss["y"] == [line["search/loss"] for line in lines]


def test_only_its_own_scripts_may_run_and_nothing_is_loaded(page):
    (policy,) = (
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    run = [text for attributes, text in page.scripts if "type" not in attributes]
    hashes = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in run]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )
    addresses = [a[key] for _, a in page.elements for key in ("src", "href") if key in a]
    assert all(address.startswith("data:") for address in addresses)


def test_hostile_texts_stay_text(tmp_path):
    page = page_of(hostile_run(tmp_path / "run"))
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "div"),
        *("h1", "h2", "h3", "p", "dl", "dt", "dd", "label", "input", "output", "table", "thead"),
        *("tbody", "button", "span", "figure", "figcaption", "script"),
    }
    assert len(page.scripts) == 3
    assert HOSTILE[0] in page.text
    assert all(any(text in word for word in page.data["words"]) for text in HOSTILE)
    unit = page.data["plots"]["pareto"]["layout"]["xaxis"]["title"]["text"]
    assert "&lt;img" in unit


def test_json_in_the_page_cannot_end_its_element():
    data = {"text": "</script><!--<script>&\u2028"}
    assert not re.search("[<>&\u2028]", embedded(data))
    assert json.loads(embedded(data)) == data


def test_an_unfinished_run_shows_what_is_there(tmp_path):
    folder = one_shot_run(tmp_path / "run", finished=False)
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:17]))
    page = page_of(folder)
    assert "unfinished: 17 of 24 steps are here" in page.text
    assert "Scored networks are listed when the search ends." in page.text
    assert "curves" in page.ids
    assert not {"pareto", "candidates", "heat-map", "network"} & page.ids


def test_a_folder_with_its_configuration_alone_is_a_report(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    assert "unfinished: 0 steps" in page_of(tmp_path).text


def test_ask_tell_searches_show_their_trials(tmp_path):
    folder = ask_tell_run(tmp_path / "run")
    page, rows = page_of(folder), rows_of(folder, "trials")
    assert page.genotypes() == [row["architecture"] for row in rows]
    best = max((float(row["miou"] or 0), row["number"]) for row in rows)[1]
    assert str(page.data["shown"]) == best
    drawn = {
        row for t in page.data["plots"]["pareto"]["data"] for (row,) in t.get("customdata", [])
    }
    assert drawn == set(range(len(rows))) - {2}  # the one that failed


def test_runs_that_differ_in_their_seed_are_one_group(tmp_path):
    folders = [one_shot_run(tmp_path / f"run{seed}", seed=seed) for seed in range(3)]
    other = one_shot_run(tmp_path / "other", epochs=9)
    page = page_of(*folders, other)
    found = []
    for folder in folders:
        (row,) = (row for row in rows_of(folder) if row["chosen"] == "True")
        found.append(100 * float(row["miou"]))
    assert f"{fmean(found):.4g} ± {stdev(found):.2g} (n = 3)" in page.text
    assert "run0 and 2 more" in page.text
    assert "regime.epochs" in page.text
    starts = [begin for begin, _, _ in page.data["chains"]]
    ends = [end for _, end, _ in page.data["chains"]]
    assert starts == [0, *ends[:-1]]
    genotypes = [row["architecture"] for one in (*folders, other) for row in rows_of(one)]
    assert page.genotypes() == genotypes
    assert len(page.data["plots"]["curve-0"]["data"]) == 4


def test_large_runs_make_small_pages(tmp_path):
    one_shot_run(tmp_path / "run", epochs=300, candidates=6000, random_networks=50)
    write_report([tmp_path / "run"], tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    assert (tmp_path / "report.html").stat().st_size < 8 << 20
    assert len(page.data["history"]["epochs"]) <= 200
    assert page.data["history"]["epochs"][-1] == 300
    drawn = {
        row for t in page.data["plots"]["pareto"]["data"] for (row,) in t.get("customdata", [])
    }
    kinds = [row["kind"] for row in rows_of(tmp_path / "run")]
    assert len(drawn) <= 5001
    assert {row for row, kind in enumerate(kinds) if kind == "random"} <= drawn
    assert all(len(t["x"]) <= 1001 for t in page.data["plots"]["curve-0"]["data"])


@pytest.mark.parametrize("name", ["summary.json", "probabilities.json", "candidates.csv"])
def test_a_damaged_file_is_named(tmp_path, name):
    folder = one_shot_run(tmp_path / "run")
    (folder / name).write_bytes(b'{"a": [\xff')
    with pytest.raises(ValueError, match=re.escape(name)):
        read_run(folder)


def test_summaries_of_other_types_are_passed_over(tmp_path):
    folder = one_shot_run(tmp_path / "run")
    odd = {"chosen": [1], "target": "x", "unit": {"a": 1}, "random": {"mean": 1e400}, "seed": [[]]}
    text = json.dumps(odd).replace("Infinity", "null")
    (folder / "summary.json").write_text(text)
    (folder / "environment.json").write_text('[{"cpu": 3, "libraries": [], "command": 5}, 4]')
    assert "One-shot search" in page_of(folder).text


def test_the_joint_plot_has_a_colour_and_a_legend_entry_for_each_group(tmp_path):
    folders = [one_shot_run(tmp_path / f"run{seed}", seed=seed) for seed in range(2)]
    other = one_shot_run(tmp_path / "other", epochs=9, random_networks=3)
    page = page_of(*folders, other)
    traces = page.data["plots"]["pareto"]["data"]
    assert [t["name"] for t in traces if t["showlegend"]] == ["run0 and 1 more", "other"]
    points = {
        row: (t["marker"]["color"], x)
        for t in traces
        if t.get("marker", {}).get("symbol") != "circle-open"
        for (row,), x in zip(t.get("customdata", []), t["x"], strict=False)
    }
    rows = [row for folder in (*folders, other) for row in rows_of(folder)]
    assert [points[row][1] for row in range(len(rows))] == [float(row["cost"]) for row in rows]
    first = {points[row][0] for row in range(64)}
    assert first == {"--blue"}
    assert {points[row][0] for row in range(64, len(rows))} == {"--vermilion"}


def test_trainings_show_their_stages(tmp_path):
    stage = tmp_path / "run" / "1-scenes"
    stage.mkdir(parents=True)
    models = "{name: net, space: squeezenas_small, architecture: [" + "skip, " * 19 + "k3_e6_g1]}"
    (tmp_path / "run" / "config.yaml").write_text(
        f"models: {models}\nregime: {{stages: {{scenes: {{epochs: 2}}}}}}\n"
    )
    (stage / "config.yaml").write_text("stage: scenes\n")
    (stage / "metrics.jsonl").write_text('{"step": 1, "train/loss": 2.0}\n')
    (stage / "classes.csv").write_text("class,iou\nroad,0.5\n")
    unfinished = page_of(tmp_path / "run")
    assert "unfinished: 0 of 1 stages finished, 1 steps of 1-scenes are here" in unfinished.text
    assert unfinished.genotypes() == [" ".join(["skip"] * 19 + ["k3_e6_g1"])]
    ((_, _, keys),) = unfinished.data["chains"]
    assert len(keys) == 20  # drawn as units, before there is a card
    summary = {"split": "val", "figures": {"miou": 0.25}, "device_hours": 1.5, "epochs": 2}
    (stage / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"scenes": summary}))
    page = page_of(tmp_path / "run")
    assert "Training of 1 stage." in page.text
    assert "mIoU on val 25.00%" in page.text
    assert "device-hours 1.5" in page.text
    assert "road 0.5" in page.text
    assert page.data["plots"]["stage-1-scenes-0"]["data"][0]["y"] == [2.0]
    assert page.genotypes() == [" ".join(["skip"] * 19 + ["k3_e6_g1"])]
    assert page.data["shown"] == 0
