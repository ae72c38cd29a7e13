"""The cost table a search asks for."""

from __future__ import annotations

from pathlib import Path

import torch

from squeezenas.core.search_config import Cost
from squeezenas.core.space import ChainSpace
from squeezenas.costs.latency import placed
from squeezenas.costs.latency_table import latency_table
from squeezenas.costs.macs import macs_table, parameters_table
from squeezenas.costs.table import CostTable
from squeezenas.runtimes.runtime import usable


def cost_table(
    cost: Cost,
    space: ChainSpace,
    classes: int,
    head: str,
    device: torch.device,
    folder: Path,
    precision: str = "fp32",
    progress: bool = True,
) -> CostTable:
    """Counts or measures what every option costs; refuses a target out of reach.

    A latency table is measured once: it is saved as `latency.json` in `folder`, and a search that
    is resumed there reads it again. Of several processes let one measure, and then the others read.

    Args:
        cost: what a network may cost, and in what.
        space: what is priced.
        classes: number of classes of the head.
        head: segmentation head.
        device: where latency is measured in torch; other runtimes measure on the CPU.
        folder: the run folder.
        precision: fp32, bf16 or fp16, for latency in torch; other runtimes measure in fp32.
        progress: whether measuring shows a progress bar.

    Raises:
        FileNotFoundError: `cost.table` does not exist.
        ValueError: `cost.table` is damaged or prices something else, `cost.runtime` is not
            installed, or the target is out of reach.
        OSError: the table cannot be saved.
    """
    if cost.kind == "macs":
        table = macs_table(space, classes, head, cost.resolution)
    elif cost.kind == "parameters":
        table = parameters_table(space, classes, head, cost.resolution)
    else:
        saved = folder / "latency.json"
        given = cost.table or (saved if saved.is_file() else None)
        if given is None:
            device, precision = placed(cost.runtime, device, precision)
            try:
                usable(cost.runtime, precision)
            except ValueError as error:
                raise ValueError(f"regime.cost.runtime: {error}") from error
            table = latency_table(
                space, classes, head, cost.resolution, device, precision,
                progress=progress, runtime=cost.runtime,
            )  # fmt: skip
            table.save(saved)
        else:
            table = _loaded(given, cost, space, classes, head)
    table.check_target(cost.target)
    return table


def _loaded(path: Path, cost: Cost, space: ChainSpace, classes: int, head: str) -> CostTable:
    table = CostTable.load(path)
    wanted = {
        "kind": cost.kind, "space": space.name, "head": head, "classes": classes,
        "resolution": list(cost.resolution), "runtime": cost.runtime,
    }  # fmt: skip
    found = {"kind": table.kind, **table.provenance}
    found["runtime"] = str(found.get("runtime")).partition(" ")[0]  # the rest is its version
    for key, value in wanted.items():
        if found.get(key) != value:
            raise ValueError(
                f"{path}: the table is for {key} {found.get(key)!r}, this search needs {value!r}; "
                "measure another (leave regime.cost.table out) or change the search"
            )
    try:
        table.check_choices(space.choices)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return table
