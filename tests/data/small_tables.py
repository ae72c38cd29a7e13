"""Small benchmark tables that a test writes, and the genuine ones."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from squeezenas.core.table_card import TableCard
from squeezenas.data.tables import BenchmarkTable, read_table

ROWS = [
    {"depth": 2, "kind": "a", "accuracy": 71.5, "latency": 3.0, "hours": 1},
    {"depth": 2, "kind": "b", "accuracy": 70.0, "latency": 2.5, "hours": 2},
    {"depth": 10, "kind": "a", "accuracy": 80.25, "latency": 9.0, "hours": 3},
    {"depth": 10, "kind": "b", "accuracy": 79.0, "latency": 8.0, "hours": 4},
]


def card(root: Path, file: str = "t.json", **changes: Any) -> TableCard:
    return TableCard.model_validate(
        {
            "name": "t",
            "title": "T",
            "task": "table",
            "space": "tabular",
            "scale": {"choices": {"depth": [], "kind": []}},
            "root": root,
            "layout": "rows",
            "file": file,
            "figures": {"accuracy": {"column": "accuracy", "label": "accuracy", "divide_by": 100}},
            "costs": {
                "latency": {"column": "latency", "unit": "ms"},
                "seconds": {"column": "hours", "unit": "s", "divide_by": 1 / 3600},
            },
            "seconds": "seconds",
            "licence": "none",
            "source": "me",
            "how_to_get": "write it",
            **changes,
        }
    )


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """The rows as a .json, .csv or .npz."""
    names = list(rows[0])
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(rows)
    else:
        np.savez(path, **{name: np.array([row[name] for row in rows]) for name in names})


def small(root: Path, rows: list[dict[str, Any]], **changes: Any) -> BenchmarkTable:
    write(root / "t.json", rows)
    return read_table(card(root, **changes))


def nasbench(data: Path, repository: Path, name: str, **changes: Any) -> BenchmarkTable:
    loaded = OmegaConf.to_container(OmegaConf.load(repository / "datasets" / f"{name}.yaml"))
    root = data / "nasbench"
    return read_table(TableCard.model_validate({**loaded, "root": root, **changes}))  # type: ignore[dict-item]
