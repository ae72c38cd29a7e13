"""TensorBoard event files in `<run folder>/tensorboard`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from squeezenas.core.files import to_yaml
from squeezenas.tracking.files import finite
from squeezenas.tracking.heat_map import heat_map
from squeezenas.tracking.sink import Ending, Level, Sink, Start, sinks


@sinks.register("tensorboard")
class TensorBoard(Sink):
    """A resumed run hides the events that followed its checkpoint."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        from torch.utils.tensorboard import SummaryWriter

        purge = start.step + 1 if start.step else 0
        self._writer = SummaryWriter(str(start.folder / "tensorboard"), purge_step=purge)
        if not start.step:
            self._writer.add_text("config", _fenced(to_yaml(dict(start.config)), "yaml"))
            self._writer.add_text("lineage", _fenced(to_yaml(asdict(start.lineage)), "yaml"))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds the metrics."""
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)

    def image(self, name: str, path: Path, step: int) -> None:
        """Adds the picture."""
        from matplotlib.image import imread

        self._writer.add_image(name, imread(path)[..., :3], step, dataformats="HWC")

    def heat_map(self, name: str, rows: Sequence[Sequence[float]], step: int) -> None:
        """Adds the small picture."""
        self._writer.add_image(name, heat_map(rows), step, dataformats="HWC")

    def table(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Adds the table, as Markdown."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines = [columns, ["---"] * len(columns)]
        lines += [[_cell(row.get(column)) for column in columns] for row in rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        self._writer.add_text(name, text, step)

    def artifact(self, kind: str, paths: Sequence[Path]) -> None:
        """Adds those files that are text."""
        for path in paths:
            if path.suffix == ".yaml":
                self._writer.add_text(f"{kind}/{path.name}", _fenced(path.read_text(), "yaml"))

    def alert(self, title: str, text: str, level: Level) -> None:
        """Adds the text."""
        self._writer.add_text(f"alerts/{level}", f"**{title}**: {text}")

    def summary(self, summary: Mapping[str, Any]) -> None:
        """Adds the results as text, and as a row of the table of hyperparameters."""
        from torch.utils.tensorboard.summary import hparams

        plain = finite(summary)
        self._writer.add_text("summary", _fenced(json.dumps(plain, indent=2), "json"))
        values = {
            f"summary/{key}": value
            for key, value in _leaves(plain).items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        for record in hparams(_leaves(self.start.config), values):
            self._writer._get_file_writer().add_summary(record)
        for key, value in values.items():
            self._writer.add_scalar(key, value, self.start.steps)

    def finish(self, ending: Ending) -> None:
        """Closes the file."""
        self._writer.close()


def _leaves(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value, of those that are numbers, words or truths."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{prefix}{key}.")
        elif isinstance(value, bool | int | float | str):
            found[f"{prefix}{key}"] = value
    return found


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").split())


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"
