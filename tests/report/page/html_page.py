"""A report as tests read it: its elements, scripts, texts and data."""

import csv
import json
from html.parser import HTMLParser

from squeezenas.report.page.page import report
from squeezenas.report.page.reading import read_run


class Page(HTMLParser):
    """Elements, scripts and texts of a page."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.texts = [], [], []
        self._script, self._styles = None, False
        self.feed(html)
        self.close()
        (self.data,) = (
            json.loads(text) for attributes, text in self.scripts if attributes.get("id") == "data"
        )

    def handle_starttag(self, tag, attributes):
        self._styles = tag == "style"
        self.elements.append((tag, dict(attributes)))
        if tag == "script":
            self._script = (dict(attributes), [])

    def handle_endtag(self, tag):
        self._styles = False
        if tag == "script":
            attributes, text = self._script
            self.scripts.append((attributes, "".join(text)))
            self._script = None

    def handle_data(self, text):
        if not self._styles:
            (self.texts if self._script is None else self._script[1]).append(text)

    @property
    def ids(self):
        return {attributes["id"] for _, attributes in self.elements if "id" in attributes}

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def genotypes(self):
        words = self.data["words"]
        return [" ".join(words[word] for word in row) for row in self.data["architectures"]]


def page_of(*folders):
    return Page(report([read_run(folder) for folder in folders]))


def rows_of(folder, name="candidates"):
    return list(csv.DictReader((folder / f"{name}.csv").open()))
