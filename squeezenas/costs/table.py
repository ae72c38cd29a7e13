"""What every option of every choice costs: the additive model that all costs of this package are.

FBNet (arXiv:1812.03443, eq. 3) prices a network as the sum of its blocks' entries in a table; so
does SqueezeNAS (arXiv:1908.01748, section 3). MACs and parameters are exactly additive; latency is
nearly so, which is why a measured table carries its own error (`squeezenas.costs.latency_table`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.files import write_atomically
from squeezenas.core.reading import parse_json, read_text
from squeezenas.core.seal import BLANK, filled, holds

Kind = Literal["macs", "parameters", "latency"]
UNITS: dict[str, str] = {"macs": "GMACs", "parameters": "M parameters", "latency": "ms"}
MOST_COST = 1e30
"""A sum of a million of them is finite, in the float32 of `CostTable.expected` as well."""


@dataclass(frozen=True)
class CostTable:
    """The cost of each option of each choice, and what every network pays besides.

    Args:
        kind: macs in GMACs, parameters in millions, latency in milliseconds.
        choices: the choices of the priced space, in its order.
        costs: choice key -> one cost an option, in the order of the choice's options.
        fixed: what every network pays: stem, head, resizing.
        provenance: where the numbers come from, as JSON values: device, precision, date, errors.

    Raises:
        ValueError: a choice without costs, a wrong number of them, or one that is not within 0 to
            `MOST_COST`.
    """

    kind: Kind
    choices: tuple[Choice, ...]
    costs: Mapping[str, tuple[float, ...]]
    fixed: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind of cost {self.kind!r}: it is one of {', '.join(UNITS)}")
        keys = [choice.key for choice in self.choices]
        if keys != list(self.costs):
            raise ValueError(f"costs are given for {list(self.costs)}, but the choices are {keys}")
        _check("fixed", self.fixed)
        for choice in self.choices:
            row = self.costs[choice.key]
            if not row or len(row) != len(choice.options):
                raise ValueError(
                    f"{choice.key}: {len(row)} costs for {len(choice.options)} options"
                )
            for option, cost in zip(choice.options, row, strict=True):
                _check(f"{choice.key}.{option}", cost)

    @property
    def unit(self) -> str:
        """GMACs, M or ms."""
        return UNITS[self.kind]

    def of(self, architecture: Architecture) -> float:
        """The cost of one network, in `unit`."""
        picks = zip(self.choices, architecture.picks, strict=True)
        return self.fixed + math.fsum(self.costs[choice.key][pick] for choice, pick in picks)

    def expected(self, path: Mapping[str, Tensor]) -> Tensor:
        """The mean cost of the networks of a path: fixed + sum of weights times costs.

        Args:
            path: choice key -> weights or probabilities, `(options,)` or `(options, batch)`.

        Returns:
            A float32 scalar on the path's device, differentiable in the path, in `unit`. It stays
            float32 under autocast: the products are elementwise, and autocast leaves those alone.
        """
        weights = torch.cat([path[choice.key] for choice in self.choices]).float()
        flat = [cost for choice in self.choices for cost in self.costs[choice.key]]
        costs = torch.tensor(flat, dtype=torch.float32, device=weights.device)
        columns = weights.reshape(len(flat), -1)
        return (columns * costs[:, None]).sum() / columns.shape[1] + self.fixed

    def cheapest(self) -> float:
        """The lowest cost of any network, in `unit`."""
        return self.fixed + math.fsum(min(row) for row in self.costs.values())

    def dearest(self) -> float:
        """The highest cost of any network, in `unit`."""
        return self.fixed + math.fsum(max(row) for row in self.costs.values())

    def check_target(self, target: float) -> None:
        """Refuses a target that no network can meet, or that every network meets.

        Raises:
            ValueError: with the reachable range.
        """
        low, high = self.cheapest(), self.dearest()
        if not low <= target <= high:
            where = "below the cheapest" if target < low else "above the dearest"
            step = 10.0 ** (math.floor(math.log10(max(high, 1e-9))) - 4)  # rounded inwards
            raise ValueError(
                f"regime.cost.target {target:g} {self.unit} is {where} network: choose one from "
                f"{math.ceil(low / step) * step:.5g} to {math.floor(high / step) * step:.5g} "
                f"{self.unit}"
            )

    def check_choices(self, choices: tuple[Choice, ...]) -> None:
        """Refuses to price another space.

        Raises:
            ValueError: names the choices or options that differ.
        """
        mine = {choice.key: choice.options for choice in self.choices}
        theirs = {choice.key: choice.options for choice in choices}
        missing = [key for key in theirs if key not in mine]
        if missing:
            raise ValueError(f"the cost table has no {', '.join(missing)}: it is of another space")
        if list(mine) != list(theirs):
            raise ValueError(f"the cost table has choices {list(mine)}, the space {list(theirs)}")
        for key, options in theirs.items():
            if mine[key] != options:
                lacking = [option for option in options if option not in mine[key]]
                what = f"has no {', '.join(lacking)}" if lacking else "has other options"
                raise ValueError(f"the cost table {what} at {key}: it is of another space")

    def save(self, path: FilePath) -> None:
        """Writes the table as JSON, whole or not at all.

        Raises:
            OSError: the folder is missing or cannot be written to.
        """
        document = {
            "seal": BLANK,
            "kind": self.kind,
            "unit": self.unit,
            "fixed": self.fixed,
            "costs": {
                c.key: dict(zip(c.options, self.costs[c.key], strict=True)) for c in self.choices
            },
            "provenance": dict(self.provenance),
        }
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        write_atomically(path, filled(text.encode()))

    @staticmethod
    def load(path: FilePath) -> CostTable:
        """Reads a table that `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: not JSON (truncated?), changed since it was written, keys missing or
                unknown, a cost that is no number, or not within 0 to `MOST_COST`; names the file
                and the key.
        """
        text = read_text(path)
        document = parse_json(text, str(path))
        try:
            return _read(_unsealed(document, text.encode()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _unsealed(document: object, content: bytes) -> object:
    """The document without its seal, which a table written by hand does not have."""
    if not isinstance(document, dict) or "seal" not in document:
        return document
    if not holds(content, str(document["seal"])):
        raise ValueError(
            "it is not what its seal says; copy it again, measure it again, or, if you changed it "
            "on purpose, take the key seal out"
        )
    return {key: value for key, value in document.items() if key != "seal"}


def _read(document: object) -> CostTable:
    keys = {"kind", "unit", "fixed", "costs", "provenance"}
    if not isinstance(document, dict) or set(document) != keys:
        found = sorted(document) if isinstance(document, dict) else type(document).__name__
        raise ValueError(f"a cost table has the keys {sorted(keys)}, this file has {found}")
    rows = document["costs"]
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise ValueError("costs must map each choice to its options and their costs")
    if not isinstance(document["provenance"], dict):
        raise ValueError("provenance must be a mapping")
    table = CostTable(
        document["kind"],
        tuple(Choice(key, tuple(row)) for key, row in rows.items()),
        {key: tuple(row.values()) for key, row in rows.items()},
        document["fixed"],
        document["provenance"],
    )
    if document["unit"] != table.unit:
        raise ValueError(
            f"unit is {document['unit']!r}, but {table.kind} is counted in {table.unit}"
        )
    return table


def _check(key: str, cost: object) -> None:
    if not isinstance(cost, int | float) or isinstance(cost, bool):
        raise ValueError(f"{key}: a cost is a number, not {cost!r}")
    if not 0 <= cost <= MOST_COST:
        raise ValueError(f"{key}: a cost is from 0 to {MOST_COST:g}, not {cost!r}")
