"""Reads what W&B wrote offline, without W&B's own code but for its message types."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def records(folder: Path) -> list[Any]:
    """The records of all offline runs in a run folder, oldest first."""
    from wandb.proto import wandb_internal_pb2

    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    return [
        wandb_internal_pb2.Record.FromString(data)
        for path in files
        for data in _entries(path.read_bytes())
    ]


def _entries(log: bytes) -> Iterator[bytes]:
    """Entries of a LevelDB log: blocks of 32 KiB of (crc, length, full|first|middle|last, data)."""
    position, entry = 7, b""  # behind W&B's own header
    while position < len(log):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", log, position)
        entry += log[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield entry
            entry = b""


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def history(found: list[Any]) -> dict[int, dict[str, Any]]:
    """Step -> what was logged, W&B's own figures left out."""
    steps: dict[int, dict[str, Any]] = {}
    for record in found:
        if record.HasField("history"):
            values = {_key(item): json.loads(item.value_json) for item in record.history.item}
            own = {key: value for key, value in values.items() if not key.startswith("_")}
            steps.setdefault(record.history.step.num, {}).update(own)
    return steps


def config(found: list[Any]) -> dict[str, Any]:
    """The configuration of the run."""
    runs = [record.run for record in found if record.HasField("run")]
    return {item.key: json.loads(item.value_json) for item in runs[-1].config.update}


def summary(found: list[Any]) -> dict[str, Any]:
    """The summary as it ended."""
    values = {}
    for record in found:
        if record.HasField("summary"):
            values |= {_key(item): json.loads(item.value_json) for item in record.summary.update}
    return values
