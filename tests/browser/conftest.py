"""A headless Chromium for all tests of a process, and the reports that it opens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed; pip install -e '.[dev]'")

import urllib3
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service

from squeezenas.report.page.page import write_report
from tests.browser.page import PATIENCE, Page
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
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser that tells what it logs and what it asks the network for."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    service = shutil.which("chromedriver")
    if browser is None or service is None:
        pytest.skip("chromium and chromedriver are not both installed")
    os.environ["SE_OFFLINE"] = "true"  # selenium shall fetch nothing
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    profile = tmp_path_factory.mktemp("chromium")
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    try:
        started = webdriver.Chrome(options, Service(service))
    except LOST as error:
        pytest.skip(f"Chromium does not start here: {error}")
    started.set_page_load_timeout(PATIENCE)
    started.set_script_timeout(PATIENCE)
    yield started
    with suppress(*LOST):
        started.quit()


@pytest.fixture
def page(driver: webdriver.Chrome) -> Page:
    """The browser's only tab, on a desk."""
    return Page(driver)


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
