"""Multiply-accumulates and parameters, counted without running anything.

PyTorch's own counter runs the network on the meta device, where tensors have shapes and no data.
It counts convolutions and matrix products; batch norm, activations, pooling and resizing are free,
as in the published figures of SqueezeNAS (arXiv:1908.01748).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from squeezenas.core.config import Size
from squeezenas.core.space import ChainSpace
from squeezenas.costs.table import CostTable, Kind

Shape = tuple[int, int, int]


def gmacs(network: nn.Module, resolution: Size) -> float:
    """Multiply-accumulates of one RGB image of `resolution` (height, width), in GMACs."""
    return _macs(network, (3, *resolution)) / 1e9


def parameters(network: nn.Module) -> float:
    """Learned parameters, in millions; running statistics are not learned."""
    return _parameters(network, (0, 0, 0)) / 1e6


def macs_table(space: ChainSpace, classes: int, head: str, resolution: Size) -> CostTable:
    """GMACs of each option for one image of `resolution` (height, width); exactly additive."""
    return _counted(space, classes, head, resolution, "macs", _macs, 1e9)


def parameters_table(space: ChainSpace, classes: int, head: str, resolution: Size) -> CostTable:
    """Millions of parameters of each option; exactly additive, the same at any resolution."""
    return _counted(space, classes, head, resolution, "parameters", _parameters, 1e6)


def _macs(module: nn.Module, shape: Shape) -> int:
    module = copy.deepcopy(module).to("meta").eval()  # `to` would empty the caller's own weights
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.empty(1, *shape, device="meta"))
    return counter.get_total_flops() // 2


def _parameters(module: nn.Module, shape: Shape) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _counted(
    space: ChainSpace,
    classes: int,
    head: str,
    resolution: Size,
    kind: Kind,
    count: Callable[[nn.Module, Shape], int],
    scale: float,
) -> CostTable:
    known: dict[tuple[str, Shape], int] = {}

    def count_candidate(key: str, option: str) -> int:
        shape = space.candidate_input(key, *resolution)
        module = space.candidate(key, option)
        signature = (repr(module), shape)  # the units of a stage mostly repeat each other
        if signature not in known:
            known[signature] = count(module, shape)
        return known[signature]

    with torch.device("meta"):
        counts = {c.key: [count_candidate(c.key, o) for o in c.options] for c in space.choices}
        first = space.architecture([0] * len(space.choices))
        whole = count(space.network(first, classes, head), (3, *resolution))
    fixed = whole - sum(row[0] for row in counts.values())
    return CostTable(
        kind,
        space.choices,
        {key: tuple(number / scale for number in row) for key, row in counts.items()},
        fixed / scale,
        {"space": space.name, "head": head, "classes": classes, "resolution": list(resolution)},
    )
