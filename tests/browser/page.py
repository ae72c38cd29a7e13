"""A report as its reader meets it: opened, looked at, clicked and typed into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.chromium import PATIENCE

WIDTHS = {"phone": 390, "tablet": 820, "desk": 1440}

LONELIEST = """
    // The point that is farthest from all others, of those that are not drawn yet.
    const plot = document.getElementById(arguments[0]);
    plot.scrollIntoView({block: "center", behavior: "instant"});
    const {xaxis, yaxis} = plot._fullLayout;
    const corner = plot.getBoundingClientRect();
    const points = new Map();
    for (const trace of plot._fullData.filter((one) => one.customdata)) {
        trace.customdata.forEach(([row], n) => points.set(row, {
            row, x: corner.left + xaxis._offset + xaxis.d2p(trace.x[n]),
            y: corner.top + yaxis._offset + yaxis.d2p(trace.y[n]),
        }));
    }
    const all = [...points.values()];
    const distance = (one, other) => Math.hypot(other.x - one.x, other.y - one.y);
    const apart = (one) => Math.min(
        ...all.filter((other) => other !== one).map((other) => distance(one, other)));
    const wanted = all.filter((one) => one.row >= arguments[1]
        && one.row !== Number(document.getElementById("network").dataset.row));
    return wanted.reduce((best, one) => apart(one) > apart(best) ? one : best);
"""


class Page:
    """One tab of a browser.

    Args:
        driver: the browser.
    """

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, path: Path, width: str = "desk", scheme: str = "light") -> None:
        """Opens a file and waits until it is drawn.

        Args:
            path: the file.
            width: one of `WIDTHS`.
            scheme: light or dark.
        """
        self._driver.get("about:blank")
        for log in ("browser", "performance"):
            self._driver.get_log(log)  # what was before is forgotten
        self.resize(width)
        self.prefer(scheme)
        self._driver.get(path.as_uri())
        self.until("document.body.dataset.ready === 'true'")

    def resize(self, width: str) -> None:
        """Gives the tab another width."""
        metrics = {"width": WIDTHS[width], "height": 900, "deviceScaleFactor": 1}
        self._command("setDeviceMetricsOverride", {**metrics, "mobile": width == "phone"})

    def prefer(self, scheme: str) -> None:
        """Asks for light or dark colours."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("setEmulatedMedia", {"features": features})

    def _command(self, name: str, arguments: dict[str, Any]) -> None:
        self._driver.execute_cdp_cmd(f"Emulation.{name}", arguments)

    def ask(self, expression: str, *arguments: Any) -> Any:
        """The value of an expression of JavaScript."""
        return self._driver.execute_script(f"return {expression}", *arguments)

    def until(self, expression: str, *arguments: Any) -> bool:
        """Waits until an expression of JavaScript is true."""
        waiting = WebDriverWait(self._driver, PATIENCE, poll_frequency=0.05)
        return bool(waiting.until(lambda _: self.ask(expression, *arguments)))

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector."""
        return self._driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The text of the first element of a CSS selector, as it is in the document."""
        return str(self.ask("document.querySelector(arguments[0]).textContent", selector))

    def errors(self) -> list[str]:
        """What the console holds of errors, violations of the content policy among them."""
        entries = self._driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def requests(self) -> set[str]:
        """The kinds of address that were asked for since the page was opened."""
        events = [json.loads(entry["message"]) for entry in self._driver.get_log("performance")]
        sent = [event["message"] for event in events]
        urls = [
            event["params"]["request"]["url"]
            for event in sent
            if event["method"] == "Network.requestWillBeSent"
        ]
        return {url.partition(":")[0] for url in urls}

    def rows(self) -> list[int]:
        """Rows of the CSV that the table shows, in its order."""
        lines = "[...document.querySelectorAll('#candidates tbody tr')]"
        return [int(row) for row in self.ask(f"{lines}.map((line) => line.dataset.row)")]

    def click_a_point(self, plot: str, from_row: int = 0) -> int:
        """Clicks a point with the mouse until its network is drawn; gives its row of the table.

        Args:
            plot: id of the Pareto plot.
            from_row: the first row that will do.
        """
        point = self._driver.execute_script(LONELIEST, plot, from_row)

        def clicked(_: Chrome) -> bool:
            action = ActionBuilder(self._driver)
            action.pointer_action.move_to_location(round(point["x"]), round(point["y"])).click()
            action.perform()
            return self.shown_row() == point["row"]

        WebDriverWait(self._driver, PATIENCE, poll_frequency=0.2).until(clicked)
        return int(point["row"])

    def shown_row(self) -> int:
        """The row whose network is drawn."""
        return int(self.ask("document.getElementById('network').dataset.row"))
