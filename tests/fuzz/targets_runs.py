"""Files of a run folder that a resumed run reads again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from squeezenas.core.reading import read_json_lines
from squeezenas.tracking.environment import environment, read_environments
from squeezenas.tracking.record import TrackingRecord
from tests.fuzz.target import Target


def _json(value: Any) -> Callable[[], Sequence[bytes]]:
    return lambda: [json.dumps(value).encode()]


ALERT = {"kind": "diverged", "step": 3, "title": "loss", "text": "not finite"}
TARGETS = [
    Target(
        "environments",
        read_environments,
        _json([environment()]),
        ("json",),
        "environment.json",
        covers=("tracking.environment",),
    ),
    Target(
        "metric_lines",
        read_json_lines,
        lambda: [b'{"step": 1, "train/loss": 0.5}\n{"step": 2, "train/loss": null}\n'],
        ("text",),
        "metrics.jsonl",
    ),
    Target(
        "tracking_record",
        lambda path: TrackingRecord(path),
        _json({"sinks": {"wandb": {"id": "a1b2"}}, "alerts": [ALERT]}),
        ("json",),
        "tracking.json",
        covers=("tracking.record",),
    ),
]
