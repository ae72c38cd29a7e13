"""The report of a search as large as they come: seconds, bytes, and what a browser makes of it.

    python -m benchmarks.report_size --output benchmarks/results/report_size_cpu.json

The run folder is generated: 1,000 epochs of 20 steps, the 22 units with 13 options each of
`squeezenas_large`, 20,000 candidates and overlays of four frames. Times are one measurement each;
those of the browser, headless Chromium without a GPU, only where it is installed with its driver.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from squeezenas.core.files import write_atomically
from squeezenas.core.recipes import load_dataset
from squeezenas.report.overlays import draw_overlays
from squeezenas.report.page.page import write_report
from squeezenas.tracking.environment import environment
from tests.report.made_runs import one_shot_run

STEPS_PER_EPOCH = 20
RANDOM_NETWORKS = 100
READY = "return document.body.dataset.ready === 'true'"
SORTED = """
    const begin = performance.now();
    document.querySelector("#candidates th[data-column='miou'] button").click();
    document.getElementById("candidates").getBoundingClientRect();
    return (performance.now() - begin) / 1000;
"""
FILTERED = """
    const begin = performance.now(), filter = document.getElementById("filter");
    filter.value = "k3_e6_g1_d2 skip";
    filter.dispatchEvent(new Event("input"));
    document.getElementById("candidates").getBoundingClientRect();
    return (performance.now() - begin) / 1000;
"""


def large_run(folder: Path, epochs: int, candidates: int) -> Path:
    """The run folder that is reported, with pictures as those of street scenes."""
    one_shot_run(
        folder, space="squeezenas_large", epochs=epochs, steps_per_epoch=STEPS_PER_EPOCH,
        candidates=candidates - RANDOM_NETWORKS, random_networks=RANDOM_NETWORKS,
    )  # fmt: skip
    card, rng = load_dataset(["datasets=street_scenes"]), np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 256, 512, 3), dtype=np.uint8)
    labels = rng.integers(0, len(card.classes), (4, 16, 32), dtype=np.uint8)
    labels = labels.repeat(16, axis=1).repeat(16, axis=2)
    draw_overlays(folder / "overlays.png", images, labels, labels, card.palette, card.classes)
    return folder


def in_a_browser(page: Path) -> dict[str, float] | None:
    """Seconds until a page is drawn and its table sorted and filtered; None without a browser."""
    try:
        from selenium.webdriver.support.wait import WebDriverWait

        from tests.browser.chromium import PATIENCE, start
    except ImportError:
        return None
    if (driver := start()) is None:
        return None
    with driver:
        begin = time.perf_counter()
        driver.get(page.as_uri())
        WebDriverWait(driver, PATIENCE, 0.02).until(lambda found: found.execute_script(READY))
        drawn = time.perf_counter() - begin
        sort, filtered = driver.execute_script(SORTED), driver.execute_script(FILTERED)
    return {
        "seconds_until_drawn": round(drawn, 2),
        "seconds_to_sort": round(sort, 3),
        "seconds_to_filter": round(filtered, 3),
    }


def measure(folder: Path, epochs: int, candidates: int) -> dict[str, Any]:
    """Makes the run and its report in a folder, and opens it."""
    run, page = large_run(folder / "large", epochs, candidates), folder / "report.html"
    load, cpu, begin = os.getloadavg()[0], time.process_time(), time.perf_counter()
    write_report([run], page)
    return {
        "epochs": epochs,
        "steps": epochs * STEPS_PER_EPOCH,
        "candidates": candidates,
        "load_at_start": round(load, 2),
        "seconds": round(time.perf_counter() - begin, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "bytes": page.stat().st_size,
        "browser": in_a_browser(page),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.epochs, options.candidates)
    print(json.dumps(found, indent=1))
    if options.output:
        where = {key: value for key, value in environment().items() if key != "command"}
        write_atomically(
            options.output, json.dumps({"environment": where, "result": found}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
