"""A headless Chromium for all tests of a process, and the reports that it opens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed; pip install -e '.[dev]'")

import urllib3
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome

from squeezenas.report.page.page import write_report
from tests.browser.chromium import start
from tests.browser.page import Page
from tests.report.made_runs import ask_tell_run, hostile_run, one_shot_run

DIED = ("crashed", "disconnected", "not reachable", "invalid session id", "no such window")
"""What is said of a browser that the machine has ended, which is no fault of a page."""
LOST = (OSError, WebDriverException, urllib3.exceptions.HTTPError)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """A test whose browser has died is skipped."""
    try:
        return (yield)
    except urllib3.exceptions.HTTPError as error:
        pytest.skip(f"Chromium answers no more: {error}")
    except WebDriverException as error:
        if any(sign in str(error) for sign in DIED):
            pytest.skip(f"Chromium died: {error.msg}")
        raise


@pytest.fixture(scope="session")
def driver() -> Iterator[Chrome]:
    """The browser of this process."""
    try:
        started = start()
    except LOST as error:
        pytest.skip(f"Chromium does not start here: {error}")
    if started is None:
        pytest.skip("chromium and chromedriver are not both installed")
    yield started
    with suppress(*LOST):
        started.quit()


@pytest.fixture
def page(driver: Chrome) -> Page:
    """The browser's only tab, on a desk."""
    return Page(driver)


def _failed(folder: Path) -> Path:
    """The run folder of a search without a single figure."""
    (folder / "summary.json").unlink()
    text = (folder / "trials.csv").read_text()
    (folder / "trials.csv").write_text(re.sub(r"^(\d+),[\d.]+,", r"\1,,", text, flags=re.M))
    return folder


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run folder of a name, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("runs")

    @cache
    def made(name: str) -> Path:
        match name:
            case "one_shot":
                return one_shot_run(folder / name, candidates=112)
            case "other_seed":
                return one_shot_run(folder / name, seed=1)
            case "unfinished":
                return one_shot_run(folder / name, finished=False)
            case "hostile":
                return hostile_run(folder / name)
            case "ask_tell":
                return ask_tell_run(folder / name)
            case "all_failed":
                return _failed(ask_tell_run(folder / name))
        raise ValueError(name)

    return made


@pytest.fixture(scope="session")
def report(
    tmp_path_factory: pytest.TempPathFactory, runs: Callable[[str], Path]
) -> Callable[..., Path]:
    """The report of runs, by their names."""
    folder = tmp_path_factory.mktemp("reports")

    @cache
    def written(*names: str) -> Path:
        output = folder / f"{'-'.join(names)}.html"
        write_report([runs(name) for name in names], output)
        return output

    return written
