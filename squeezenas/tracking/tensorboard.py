"""TensorBoard event files in `<run folder>/tensorboard`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from squeezenas.tracking.files import finite
from squeezenas.tracking.sink import Sink, Start, sinks


@sinks.register("tensorboard")
class TensorBoard(Sink):
    """A resumed run hides the events that followed its checkpoint."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        from torch.utils.tensorboard import SummaryWriter

        purge = start.step + 1 if start.step else 0
        self._writer = SummaryWriter(str(start.folder / "tensorboard"), purge_step=purge)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds the metrics."""
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)

    def image(self, name: str, path: Path, step: int) -> None:
        """Adds the picture."""
        from matplotlib.image import imread

        self._writer.add_image(name, imread(path)[..., :3], step, dataformats="HWC")

    def table(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Adds the table."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines = [columns, ["---"] * len(columns)]
        lines += [[str(row.get(column, "")) for column in columns] for row in rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        self._writer.add_text(name, text, step)

    def artifact(self, path: Path, kind: str) -> None:
        """Adds the file."""
        self._writer.add_text(f"{kind}/{path.name}", f"```\n{path.read_text()}\n```")

    def finish(self, summary: Mapping[str, Any] | None) -> None:
        """Adds the summary and closes the event file."""
        if summary is not None:
            self._writer.add_text("summary", f"```\n{json.dumps(finite(summary), indent=2)}\n```")
        self._writer.close()
