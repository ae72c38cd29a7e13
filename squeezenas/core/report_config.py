"""The schema of a report: of which runs, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf
from pydantic import Field, field_validator

from squeezenas.core.config import Strict
from squeezenas.core.overrides import merge, parse
from squeezenas.core.validation import validated

FILE = "report.html"


class ReportConfig(Strict):
    """Run folders in one HTML file."""

    runs: tuple[Path, ...] = Field(min_length=1)
    """Run folders, named without a key; several are compared."""
    output: Path | None = None
    """The HTML file; omitted: report.html in the run folder, or beside the first of several."""

    @field_validator("output")
    @classmethod
    def _html(cls, output: Path | None) -> Path | None:
        if output is not None and output.suffix not in (".html", ".htm"):
            raise ValueError(f"{output}: a report is an HTML file; end its name in .html")
        return output

    @property
    def file(self) -> Path:
        """Where the report is written."""
        first = self.runs[0]
        return self.output or (first if len(self.runs) == 1 else first.resolve().parent) / FILE


def load_report(arguments: Sequence[str]) -> ReportConfig:
    """The configuration from arguments like `runs/a runs/b output=compared.html`.

    Raises:
        ValueError: no run folder, unknown key, wrong value; names every full key.
    """
    folders = [word for word in arguments if "=" not in word or Path(word).is_dir()]
    if not folders:
        raise ValueError("name one run folder or several: squeezenas report runs/<name>")
    request = parse([word for word in arguments if word not in folders], [])
    runs = list({Path(word).resolve(): word for word in folders}.values())
    content = {"runs": runs, **merge(OmegaConf.create({}), request.values, request.origin)}
    return validated(ReportConfig, content, request.origin)
