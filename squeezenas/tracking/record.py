"""`tracking.json` of a run folder: what a resumed run must know of its trackers and alerts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from squeezenas.core.reading import read_json
from squeezenas.tracking.alarms import Alarm
from squeezenas.tracking.files import write_text


class TrackingRecord:
    """Made when there is something to keep.

    Args:
        path: the file; it may not be there yet.

    Attributes:
        sinks: how the sinks' services know the run, by the sinks' names.
        alerts: those that were raised, with their step.

    Raises:
        ValueError: the file was changed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sinks: dict[str, dict[str, Any]] = {}
        self.alerts: list[dict[str, Any]] = []
        if not path.is_file():
            return
        try:
            content = read_json(path)
            self.sinks = {name: dict(identity) for name, identity in content["sinks"].items()}
            self.alerts = [{"kind": alert["kind"], **alert} for alert in content["alerts"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} was changed: it is not as a run writes it; put it back, or remove it to "
                "continue as a new run of the trackers"
            ) from error

    def learn(self, identities: Mapping[str, dict[str, Any]]) -> None:
        """Keeps the identities of sinks beside those known.

        Raises:
            OSError: the file could not be written.
        """
        if {**self.sinks, **identities} != self.sinks:
            self.sinks |= identities
            self._write()

    def first(self, alarm: Alarm, step: int) -> bool:
        """Whether the run had no alarm of this kind yet; then it is kept.

        Raises:
            OSError: the file could not be written.
        """
        if alarm.kind in {alert["kind"] for alert in self.alerts}:
            return False
        self.alerts.append({"step": step, **asdict(alarm)})
        self._write()
        return True

    def _write(self) -> None:
        content = {"sinks": self.sinks, "alerts": self.alerts}
        write_text(self._path, json.dumps(content, indent=2) + "\n")
