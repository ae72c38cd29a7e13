"""The report in a browser: what it shows is what the run folder holds."""

import csv
import json

import pytest

pytest.importorskip("selenium")

from selenium.webdriver.common.keys import Keys

from tests.browser.page import WIDTHS
from tests.report.made_runs import HOSTILE

PAGE = 100  # lines of the table


def candidates(folder):
    """Rows of a table of networks with their values as numbers, truths, texts or None."""

    def value(text):
        for known, meant in {"": None, "True": True, "False": False}.items():
            if text == known:
                return meant
        try:
            return float(text)
        except ValueError:
            return text

    (path,) = folder.glob("*.csv")
    with path.open() as file:
        return [{key: value(text) for key, text in row.items()} for row in csv.DictReader(file)]


def test_nothing_is_fetched_and_nothing_fails(page, report):
    page.open(report("one_shot"))
    assert page.errors() == []
    assert page.requests() <= {"file", "data", "blob"}
    assert "GMACs" in page.text("#summary")
    assert page.ask("document.querySelectorAll('#curves .js-plotly-plot svg').length") > 2
    page.open(report("unfinished"))
    assert page.errors() == []
    assert "unfinished" in page.text("header").lower()


def test_the_slider_shows_the_distribution_of_each_epoch(page, report, runs):
    page.open(report("one_shot"))
    history = json.loads((runs("one_shot") / "probabilities.json").read_text())

    def shows(epoch):
        drawn = page.ask(
            "document.getElementById('heat-map')._fullData.filter((one) => one.z)"
            ".map((one) => Array.from(one.z, (row) => Array.from(row)))[0]"
        )
        written = [list(column) for column in zip(*drawn, strict=True)]
        assert written == [pytest.approx(row, abs=1e-4) for row in history[epoch].values()]
        assert page.text("#epoch-label") == f"{epoch + 1} of {len(history)}"
        return page.ask("Number(document.getElementById('epoch').value)") == epoch

    slider = page.find("#epoch")
    assert shows(len(history) - 1)
    for key, epoch in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 1), (Keys.END, 5), (Keys.ARROW_LEFT, 4)):
        slider.send_keys(key)
        page.until("document.getElementById('epoch-label').textContent === arguments[0]",
                   f"{epoch + 1} of {len(history)}")  # fmt: skip
        assert shows(epoch)
    assert len({json.dumps(rows) for rows in history}) > 3  # else it would prove nothing


def test_every_column_sorts(page, report, runs):
    page.open(report("one_shot"))
    rows = candidates(runs("one_shot"))
    columns = page.ask(
        "[...document.querySelectorAll('#candidates th')].map((th) => th.dataset.column)"
    )
    assert set(columns) - {"row"} == set(rows[0])
    for column in set(rows[0]):
        for direction in ("ascending", "descending"):
            page.find(f"#candidates th[data-column='{column}'] button").send_keys(Keys.ENTER)
            header = page.find(f"#candidates th[data-column='{column}']")
            assert header.get_attribute("aria-sort") == direction
            known = [n for n, row in enumerate(rows) if row[column] is not None]
            down = direction == "descending"
            wanted = sorted(known, key=lambda n, name=column: rows[n][name], reverse=down)
            missing = [n for n, row in enumerate(rows) if row[column] is None]
            assert page.rows() == [*wanted, *missing][:PAGE]
    page.find("#next").click()
    assert page.rows() == [*wanted, *missing][PAGE:]


def test_the_filter_keeps_rows_that_hold_its_text(page, report, runs):
    page.open(report("one_shot"))
    rows = candidates(runs("one_shot"))
    random = [number for number, row in enumerate(rows) if row["kind"] == "random"]
    page.find("#filter").send_keys("Random")
    assert page.rows() == random
    assert page.text("#filter-count").startswith(f"{len(random)} of {len(rows)}")
    page.find("#filter").send_keys(" nothing holds this")
    assert page.rows() == []


def test_a_point_draws_its_network_by_mouse_and_its_line_by_keyboard(page, report, runs):
    page.open(report("one_shot"))
    rows = candidates(runs("one_shot"))
    assert rows[page.shown_row()]["chosen"]
    number = page.click_a_point("pareto")
    assert page.text("#network .genotype") == rows[number]["architecture"]
    options = "[...document.querySelectorAll('#drawing .option')].map((one) => one.textContent)"
    assert page.ask(options) == rows[number]["architecture"].split()
    other = next(row for row in page.rows() if row != number)
    page.find(f"#candidates tr[data-row='{other}'] button").send_keys(Keys.ENTER)
    assert page.shown_row() == other
    assert page.ask(options) == rows[other]["architecture"].split()
    assert page.text("#network .genotype") == rows[other]["architecture"]


@pytest.mark.parametrize("name", ["one_shot", "hostile"])
def test_no_width_needs_sideways_scrolling(page, report, name):
    page.open(report(name), width="phone")
    for width in WIDTHS:
        page.resize(width)
        page.until("window.innerWidth === arguments[0]", WIDTHS[width])
        page.until("document.documentElement.scrollWidth <= arguments[0]", WIDTHS[width])
        drawn = page.ask("document.getElementById('pareto').getBoundingClientRect().width")
        assert 0.5 * min(WIDTHS[width], 900) < drawn <= WIDTHS[width]


def test_both_colour_schemes_can_be_read(page, report):
    page.open(report("one_shot"), scheme="dark")
    seen = set()
    for scheme in ("dark", "light"):
        page.prefer(scheme)
        page.until("document.querySelector('#pareto .xtick text').style.fill"
                   " === getComputedStyle(document.body).color")  # fmt: skip
        paper, ink, tick = page.ask(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body)"
            ".color, document.querySelector('#pareto .xtick text').style.fill]"
        )
        assert contrast(paper, ink) > 7
        assert contrast(paper, tick) > 4.5
        seen.add(paper)
    assert len(seen) == 2


def contrast(one, other):
    """WCAG 2's ratio of two colours as CSS writes them."""

    def luminance(colour):
        shares = [int(part) / 255 for part in colour.strip("rgb()").split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_hostile_names_stay_text(page, report, runs):
    page.open(report("hostile"))
    rows = candidates(runs("hostile"))
    number = page.click_a_point("pareto")
    assert page.text("#network .genotype") == rows[number]["architecture"]
    page.until("document.querySelector('.hoverlayer .hovertext') !== null")
    assert "window.hacked" in page.text(".hoverlayer .hovertext")
    everything = page.ask("document.body.innerText")
    assert all(text in everything for text in HOSTILE)
    page.find("#filter").send_keys(HOSTILE[0])
    assert len(page.rows()) == sum(HOSTILE[0] in row["architecture"] for row in rows)
    assert page.ask("window.hacked === undefined")
    assert page.ask("document.querySelectorAll('img[src=x], [onerror]').length") == 0
    assert page.errors() == []
    assert page.requests() <= {"file", "data", "blob"}


def test_trials_are_shown_as_candidates_are(page, report, runs):
    page.open(report("ask_tell"))
    rows = candidates(runs("ask_tell"))
    number = page.click_a_point("pareto")
    assert page.text("#network .genotype") == rows[number]["architecture"]
    page.find("#candidates th[data-column='miou'] button").click()
    assert page.rows()[-1] == 2  # it failed
    assert page.text("#candidates tr[data-row='2'] .error") == HOSTILE[0]
    assert page.errors() == []


def test_trials_that_all_failed_can_be_looked_at(page, report, runs):
    page.open(report("all_failed"))
    assert page.errors() == []
    assert page.rows() == list(range(len(candidates(runs("all_failed")))))
    page.find("#candidates tr[data-row='2'] button").click()
    assert page.text("#network .genotype") == candidates(runs("all_failed"))[2]["architecture"]
    assert page.errors() == []


def test_a_comparison_has_the_networks_of_both_runs(page, report, runs):
    page.open(report("one_shot", "other_seed"))
    first, second = candidates(runs("one_shot")), candidates(runs("other_seed"))
    number = page.click_a_point("pareto", from_row=len(first))
    assert page.text("#network .genotype") == second[number - len(first)]["architecture"]
    page.find("#filter").send_keys("other_seed")
    assert page.rows() == list(range(len(first), len(first) + len(second)))
    assert "seed" in page.text("#summary")
    assert page.errors() == []
    page.resize("phone")
    assert page.until("document.documentElement.scrollWidth <= arguments[0]", WIDTHS["phone"])
