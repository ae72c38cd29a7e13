"""Weights & Biases, online or offline; a resumed run continues the same W&B run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from squeezenas.tracking.environment import environment
from squeezenas.tracking.files import finite
from squeezenas.tracking.heat_map import heat_map
from squeezenas.tracking.secrets import masked
from squeezenas.tracking.sink import Ending, Level, Segments, Sink, Start, sinks

SECONDS_TO_CONNECT = 30
SECONDS_TO_START = 300
"""Of W&B's service on this machine, which takes two or three unless the machine is very busy."""

SECONDS_TO_UPLOAD = 300
"""What is not uploaded so long after the end stays in the run folder, for `wandb sync`."""

TITLE = 63
"""The longest title of an alert, in characters."""


@sinks.register("wandb")
class WeightsAndBiases(Sink):
    """Its files lie in `<run folder>/wandb`; offline ones are uploaded with `wandb sync`.

    An online run that W&B refuses, or that does not reach it, is kept offline from its start.
    W&B's own account of the machine and the command line is switched off, since words on a command
    line may be secrets; what `environment.json` says is in the config instead.
    """

    patience = SECONDS_TO_UPLOAD + 30.0

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB__SERVICE_WAIT", str(SECONDS_TO_START))
        import wandb

        self._wandb = wandb
        mode, known = start.wandb.mode, start.identity.get("id")
        try:
            self._run = self._begin(mode)
        except wandb.Error as error:
            if mode == "offline":
                raise
            mode = "offline"
            print(
                f"W&B does not take this run: {_sentence(error)}; it is kept offline in "
                f"{start.folder / 'wandb'}, for `wandb sync`",
                file=sys.stderr,
            )
            self._run = self._begin(mode)
        if mode == "online" and not known:
            self._use_architecture()

    def _begin(self, mode: Literal["online", "offline"]) -> Any:
        start, online, known = self.start, mode == "online", self.start.identity.get("id")
        settings, lineage = start.wandb, start.lineage
        return self._wandb.init(
            project=settings.project,
            entity=settings.entity,
            mode=mode,
            tags=settings.tags,
            name=start.name,
            group=settings.group or lineage.group,
            job_type=lineage.job,
            id=known,
            resume="allow" if known and online else None,
            dir=start.folder,
            config={
                **start.config,
                "lineage": asdict(lineage),
                "environment": masked(environment()),
            },
            settings=self._wandb.Settings(
                init_timeout=SECONDS_TO_CONNECT if online else SECONDS_TO_START,
                login_timeout=SECONDS_TO_CONNECT,
                finish_timeout=SECONDS_TO_UPLOAD,
                console="off",
                silent=not online,
                host="",
                disable_code=True,
                disable_git=True,
                x_disable_meta=True,
            ),
        )

    def _use_architecture(self) -> None:
        """Draws the line from the search, whose artifact may not have been uploaded yet."""
        lineage = self.start.lineage
        search = lineage.search.get("wandb", {})
        if not lineage.card or "artifact" not in search:
            return
        try:
            self._run.use_artifact(search["artifact"])
        except Exception as error:
            print(
                f"W&B does not know {search['artifact']} (upload the search with `wandb sync`): "
                f"{_sentence(error)}; the lineage is in the config alone",
                file=sys.stderr,
            )

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds the metrics."""
        self._run.log({key: float(value) for key, value in metrics.items()}, step=step)

    def image(self, name: str, path: Path, step: int) -> None:
        """Adds the picture."""
        self._run.log({f"pictures/{name}": self._wandb.Image(str(path))}, step=step)

    def segments(self, name: str, segments: Segments, step: int) -> None:
        """Adds the images with two layers of masks, which W&B shows and hides by class."""
        names = dict(segments.names)
        pictures = [
            self._wandb.Image(
                image,
                masks={
                    "label": {"mask_data": label, "class_labels": names},
                    "prediction": {"mask_data": prediction, "class_labels": names},
                },
            )
            for image, label, prediction in zip(
                segments.images, segments.labels, segments.predictions, strict=True
            )
        ]
        self._run.log({f"segments/{name}": pictures}, step=step)

    def heat_map(self, name: str, rows: Sequence[Sequence[float]], step: int) -> None:
        """Adds the small picture."""
        self._run.log({f"pictures/{name}": self._wandb.Image(heat_map(rows))}, step=step)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Adds the table, its numbers as numbers."""
        columns: list[str | int] = list(dict.fromkeys(key for row in rows for key in row))
        data = [[finite(row.get(str(column))) for column in columns] for row in rows]
        table = self._wandb.Table(columns=columns, data=data)
        self._run.log({f"tables/{name}": table}, step=step)

    def page(self, name: str, path: Path, step: int) -> None:
        """Adds the page as it is."""
        self._run.log({f"pages/{name}": self._wandb.Html(str(path), inject=False)}, step=step)

    def artifact(self, kind: str, paths: Sequence[Path]) -> None:
        """Adds the files as one artifact, a version of which bears this run's id."""
        artifact = self._wandb.Artifact(self._artifact(kind), type=kind)
        for path in paths:
            artifact.add_file(str(path), policy="immutable")  # sent from where it is
        self._run.log_artifact(artifact, aliases=["latest", self._run.id])

    def _artifact(self, kind: str) -> str:
        return re.sub(r"[^A-Za-z0-9_.-]", "-", f"{self.start.name}-{kind}")

    def alert(self, title: str, text: str, level: Level) -> None:
        """Sends it to whom W&B is told to notify."""
        self._run.alert(title[:TITLE], text, "ERROR" if level == "error" else "WARN")

    def summary(self, summary: Mapping[str, Any]) -> None:
        """Adds the results."""
        self._run.summary.update(finite(summary))

    def finish(self, ending: Ending) -> None:
        """Closes the W&B run, which counts as finished, preempted or failed."""
        if ending == "stopped":
            self._run.mark_preempting()
        self._run.finish(exit_code=0 if ending == "done" else 1)

    def abandon(self) -> None:
        """Ends W&B's service, which would be waited for at the end of the process otherwise."""
        self._wandb.teardown()

    def identity(self) -> dict[str, Any]:
        """The id under which a resumed run continues, and where its architecture is."""
        run = self._run
        place = "/".join(part for part in (run.entity, run.project) if part)
        return {
            "id": run.id,
            "artifact": f"{place}/{self._artifact('architecture')}:{run.id}",
        }


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
