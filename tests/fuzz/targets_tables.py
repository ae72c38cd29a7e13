"""Benchmark tables, in every form that they are read in."""

from __future__ import annotations

import functools
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from squeezenas.cli.predictor import read_architectures
from squeezenas.core.space import make_space
from squeezenas.data.tables import read_table
from tests.data.small_tables import ROWS, card
from tests.fuzz.target import Target

PLAIN = {"space": "nasbench201", "scale": {}}
ALONE = {"costs": {}, "seconds": ""}


def _reader(**kind: Any) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        table = read_table(card(path.parent, path.name, **kind))
        return table.space.size(), table.measured(table.architectures()[0])

    return read


def _npz(**arrays: Any) -> list[bytes]:
    files = io.BytesIO(), io.BytesIO()
    np.savez(files[0], **arrays)
    np.savez_compressed(files[1], **arrays)
    return [file.getvalue() for file in files]


def _rows_npz() -> Sequence[bytes]:
    return _npz(**{name: np.array([row[name] for row in ROWS]) for name in ROWS[0]})


def _rows_csv() -> Sequence[bytes]:
    lines = [",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)]
    quoted = [",".join(f'"{field}"' for field in line.split(",")) for line in lines]
    return ["\n".join(lines).encode(), "\r\n".join(quoted).encode("utf-8-sig")]


def _rows_json() -> Sequence[bytes]:
    return [json.dumps(ROWS).encode()]


def _cells(count: int) -> list[Any]:
    space, rng = make_space("nasbench201"), random.Random(0)
    return [space.sample(rng) for _ in range(count)]


def _texts_json() -> Sequence[bytes]:
    space = make_space("nasbench201")
    told = [{"cell": space.write(cell)[0], "accuracy": 70 + i} for i, cell in enumerate(_cells(4))]
    picks = [{"cell": list(cell.picks), "accuracy": 70 + i} for i, cell in enumerate(_cells(4))]
    return [json.dumps(told).encode(), json.dumps(picks).encode()]


def _nasbench201() -> Sequence[bytes]:
    return _npz(
        arch=np.array([cell.picks for cell in _cells(4)], np.uint8),
        op_names=np.array(make_space("nasbench201").choices[0].options),
        accuracy=np.arange(70, 74.0, dtype=np.float32),
    )


@functools.cache
def _nasbench101() -> Sequence[bytes]:
    space, rng = make_space("nasbench101"), random.Random(1)
    cells = [space.sample(rng) for _ in range(4)]
    matrices, operations = np.zeros((4, 7, 7), np.uint8), np.full((4, 7), -3, np.int8)
    kinds = {"input": -1, "conv3x3-bn-relu": 0, "conv1x1-bn-relu": 1, "maxpool3x3": 2, "output": -2}
    sizes = []
    for row, cell in enumerate(cells):
        edges, names = space.graph(cell)
        sizes.append(len(names))
        matrices[row, : len(names), : len(names)] = edges
        operations[row, : len(names)] = [kinds[name] for name in names]
    hashes = [list(bytes.fromhex(str(space.canonical(cell)))) for cell in cells]
    return _npz(
        adjacency=matrices,
        operations=operations,
        num_vertices=np.array(sizes, np.uint8),
        module_hash=np.array(hashes, np.uint8),
        accuracy=np.array([[9000, 9100]] * 4, np.uint16),
    )


def _candidates() -> Sequence[bytes]:
    space = make_space("nasbench201")
    return ["\n".join(space.write(cell)[0] for cell in _cells(3)).encode()]


ACCURACY = {"accuracy": {"column": "accuracy", "label": "a", "index": 1, "divide_by": 9984}}

TARGETS = [
    Target("table_npz", _reader(), _rows_npz, ("zip",), "t.npz", covers=("data.table_files",)),
    Target("table_csv", _reader(), _rows_csv, ("text",), "t.csv"),
    Target("table_json", _reader(), _rows_json, ("json", "text"), "t.json"),
    Target(
        "table_of_texts",
        _reader(**PLAIN, **ALONE, architecture="cell"),
        _texts_json,
        ("json", "text"),
        "t.json",
    ),
    Target(
        "table_nasbench201",
        _reader(**PLAIN, **ALONE, layout="nasbench201"),
        _nasbench201,
        ("zip",),
        "t.npz",
    ),
    Target(
        "table_nasbench101",
        _reader(space="nasbench101", scale={}, **ALONE, layout="nasbench101", figures=ACCURACY),
        _nasbench101,
        ("zip",),
        "t.npz",
    ),
    Target(
        "candidates",
        lambda path: read_architectures(path, make_space("nasbench201")),
        _candidates,
        ("text",),
        "candidates.txt",
        covers=("cli.predictor",),
    ),
]
