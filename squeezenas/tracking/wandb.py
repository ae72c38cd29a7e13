"""Weights & Biases, online or offline; a resumed run continues the same W&B run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from squeezenas.tracking.sink import Sink, Start, sinks

SECONDS_TO_CONNECT = 30


@sinks.register("wandb")
class WeightsAndBiases(Sink):
    """Its files lie in `<run folder>/wandb`; offline ones are uploaded with `wandb sync`."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._wandb = wandb
        folder = start.folder
        staged = (folder.parent / "config.yaml").is_file()  # a stage lies in its run's folder
        self._run = wandb.init(
            project=start.wandb.project,
            entity=start.wandb.entity,
            mode=start.wandb.mode,
            tags=start.wandb.tags,
            name=f"{folder.parent.name}/{folder.name}" if staged else folder.name,
            group=folder.parent.name if staged else None,
            id=start.state.get("id"),
            resume="allow" if "id" in start.state and start.wandb.mode == "online" else None,
            dir=folder,
            config=dict(start.config),
            settings=wandb.Settings(
                init_timeout=SECONDS_TO_CONNECT, console="off", silent=start.wandb.mode == "offline"
            ),
        )

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds the metrics."""
        self._run.log(dict(metrics), step=step)

    def image(self, name: str, path: Path, step: int) -> None:
        """Adds the picture."""
        self._run.log({f"pictures/{name}": self._wandb.Image(str(path))}, step=step)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Adds the table."""
        columns: list[str | int] = list(dict.fromkeys(key for row in rows for key in row))
        data = [[row.get(str(column)) for column in columns] for row in rows]
        table = self._wandb.Table(columns=columns, data=data)
        self._run.log({f"tables/{name}": table}, step=step)

    def artifact(self, path: Path, kind: str) -> None:
        """Adds the file."""
        artifact = self._wandb.Artifact(f"{self.start.folder.name}-{path.stem}", type=kind)
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def finish(self, summary: Mapping[str, Any] | None) -> None:
        """Closes the W&B run; one that stopped early is marked as failed."""
        if summary is not None:
            self._run.summary.update(dict(summary))
        self._run.finish(exit_code=0 if summary is not None else 1)

    def state(self) -> dict[str, Any]:
        """The id under which a resumed run continues."""
        return {"id": self._run.id}
