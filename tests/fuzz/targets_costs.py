"""Tables of costs: measured ones, and those that others published."""

from __future__ import annotations

import json
from collections.abc import Sequence

from squeezenas.costs.published import read_fasterseg, read_fbnet, read_proxylessnas
from squeezenas.costs.table import CostTable
from tests.fuzz.target import Target


def _tables() -> Sequence[bytes]:
    """By hand: one that is saved has a seal."""
    document = {
        "kind": "latency",
        "unit": "ms",
        "fixed": 0.125,
        "costs": {"unit00": {"a": 0.5, "b": 1.0}, "unit01": {"a": 0.25, "skip": 0.0}},
        "provenance": {"device": "cpu", "additive_error": 0.1},
    }
    return [json.dumps(document).encode()]


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
