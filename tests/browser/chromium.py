"""A headless Chromium, where it is installed with its driver."""

from __future__ import annotations

import os
import shutil

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

PATIENCE = 300
"""Seconds that a busy machine may take for anything."""


def start() -> Chrome | None:
    """A browser that tells what it logs and what it asks the network for; None without one.

    Raises:
        OSError, WebDriverException, HTTPError: it does not start on this machine.
    """
    browser, service = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or service is None:
        return None
    os.environ["SE_OFFLINE"] = "true"  # selenium shall fetch nothing
    options = ChromeOptions()
    options.binary_location = browser
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(service))
    driver.command_executor.client_config.timeout = 2 * PATIENCE  # of the driver's own answers
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    return driver
