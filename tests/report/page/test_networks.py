import csv
import json
import random

import pytest
import yaml
from scipy.stats import kendalltau

from squeezenas.core.space import make_space
from squeezenas.report.page.correlation import correlate
from squeezenas.report.page.networks import draw, networks_of
from squeezenas.report.page.reading import read_run
from tests.report.made_runs import ask_tell_run, one_shot_run


@pytest.mark.parametrize("name", ["darts_cell", "enas_micro", "enas_macro", "darts_rnn"])
def test_cells_are_drawn_with_every_box_inside(name):
    space = make_space(name)
    architecture = space.sample(random.Random(1))
    cells = draw(space, " ".join(space.write(architecture)))
    assert [cell["name"] for cell in cells] == [cell.name for cell in space.cells(architecture)]
    for cell in cells:
        wide, high = cell["size"]
        assert all(width / 2 <= x <= wide - width / 2 for _, x, _, width, _ in cell["boxes"])
        assert all(0 <= y <= high for _, _, y, _, _ in cell["boxes"])


def test_what_a_space_does_not_read_is_not_drawn():
    assert draw(make_space("darts_cell"), "Genotype(") == []


def test_the_front_rises_with_cost(tmp_path):
    folder = one_shot_run(tmp_path / "run", candidates=60)
    networks = networks_of(read_run(folder))
    marked = {row for row, on in enumerate(networks.table.columns["front"]) if on}
    assert set(networks.front) == marked
    assert sorted(networks.costs[row] for row in networks.front) == [
        networks.costs[row] for row in networks.front
    ]


def test_figures_where_lower_is_better_are_ranked_so(tmp_path):
    folder = ask_tell_run(tmp_path / "run", trials=5)
    table = folder / "trials.csv"
    table.write_text(table.read_text().replace("miou", "perplexity"))
    summary = json.loads((folder / "summary.json").read_text()) | {"figure": "perplexity"}
    (folder / "summary.json").write_text(json.dumps(summary))
    networks = networks_of(read_run(folder))
    found = [networks.values[row] for row in networks.best_first]
    assert found == sorted(found)
    assert len(found) == 4


def trained(folder, search, row, figure, seed):
    """The folder of a finished training of a row's network."""
    config = yaml.safe_load((search / "config.yaml").read_text())
    models = {"space": config["regime"]["space"], "architecture": row["architecture"].split(" ")}
    stages = {"stages": {"scenes": {"epochs": 2}}}
    folder.mkdir()
    text = yaml.safe_dump({"models": models, "regime": stages, "seed": seed})
    (folder / "config.yaml").write_text(text)
    (folder / "model.yaml").write_text("name: trained\n")
    summary = {"scenes": {"dataset": "street_scenes", "figures": {"miou": figure}}}
    (folder / "summary.json").write_text(json.dumps(summary))


def test_rank_correlation_is_kendalls_over_the_trainings_beside_the_search(tmp_path):
    search = one_shot_run(tmp_path / "search")
    with (search / "candidates.csv").open() as file:
        rows = list(csv.DictReader(file))
    before = correlate(networks_of(read_run(search)))
    assert before.tau is None
    assert "there are 0" in before.sentence("mIoU")
    picks, figures = [0, 5, 9, 14, 20], [0.6, 0.55, 0.58, 0.4, 0.45]
    for seed in range(2):
        for row, figure in zip(picks, figures, strict=True):
            trained(tmp_path / f"t{row}-{seed}", search, rows[row], figure + 0.001 * seed, seed)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.yaml").write_text("")
    (tmp_path / "broken" / "config.yaml").write_text("{")
    found = correlate(networks_of(read_run(search)))
    expected = kendalltau([float(rows[row]["miou"]) for row in picks], figures)
    assert found.rows == picks
    assert found.trained == pytest.approx([figure + 0.0005 for figure in figures])
    assert found.trainings == 10
    assert (found.tau, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert "5 networks, 10 trainings" in found.sentence("mIoU")
