"""Tables of costs: measured ones, and those that others published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from squeezenas.core.architecture import Choice
from squeezenas.core.space import make_space
from squeezenas.costs.published import (
    layers_table,
    read_fasterseg,
    read_fbnet,
    read_proxylessnas,
)
from squeezenas.costs.table import CostTable
from tests.fuzz.target import Target

SPACE = make_space("squeezenas_small")


def _table() -> CostTable:
    choices = (Choice("unit00", ("a", "b")), Choice("unit01", ("a", "skip")))
    costs = {"unit00": (0.5, 1.0), "unit01": (0.25, 0.0)}
    return CostTable("latency", choices, costs, 0.125, {"device": "cpu", "additive_error": 0.1})


def _tables() -> Sequence[bytes]:
    table = _table()
    document = {
        "kind": table.kind,
        "unit": table.unit,
        "fixed": table.fixed,
        "costs": {c.key: dict(zip(c.options, table.costs[c.key])) for c in table.choices},
        "provenance": dict(table.provenance),
    }
    return [json.dumps(document).encode()]


def _fbnet(path: Path) -> object:
    return layers_table(read_fbnet(path))


TARGETS = [
    Target(
        "cost_table",
        CostTable.load,
        _tables,
        ("json",),
        "latency.json",
        covers=("costs.table",),
    ),
    Target(
        "fasterseg_table",
        read_fasterseg,
        lambda: [
            json.dumps(
                {
                    "BasicResidual1x_H128_W256_Cin32_Cout64_stride2_dilation1": 0.1,
                    "ff_H128_W256_C128": 0.5,
                }
            ).encode()
        ],
        ("json", "text"),
        "table.json",
        covers=("costs.published",),
    ),
    Target(
        "fbnet_table",
        read_fbnet,
        lambda: [b"k3_e1 k3_e3 skip\n1.5 2.5 0\n1e-3 4 0\n", b"1 2 3\n4 5\n"],
        ("text",),
        "table.txt",
    ),
    Target(
        "proxylessnas_table",
        read_proxylessnas,
        lambda: [
            b"Conv-input:224x224x3-output:112x112x32: {count: 3, mean: 1.5, var: 0.1}\n"
            b"expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0:"
            b" {count: 2, mean: 2, var: 0}\n"
        ],
        ("yaml", "text"),
        "table.yaml",
    ),
]
