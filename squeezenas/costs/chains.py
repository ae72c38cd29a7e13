"""Every option of a space, timed where it stands: between neighbours, in a chain of random options.

Published tables time each block alone (FBNet, arXiv:1812.03443, section 3.3). Alone, a block keeps
its input, its weights and its freshly freed memory in the cache: small blocks come out too cheap.
A runtime that compiles is given each block as a graph of its own; what that adds at the seams, the
calibration on whole networks takes off again (`squeezenas.costs.latency_table`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from squeezenas.core.config import Size
from squeezenas.core.space import ChainSpace
from squeezenas.costs.latency import Latency, deployed, random_input, settled_laps
from squeezenas.costs.table import CostTable
from squeezenas.nn.inverted_residual import Zero


class Chains:
    """The options of a space as deployed modules, and the milliseconds they have taken.

    Options that are equal modules on equal inputs share one module and its samples: the units of a
    stage mostly repeat each other.

    Args:
        space: what is timed.
        resolution: height and width of the image.
        device: where it is timed.
        precision: fp32, bf16 or fp16.
        runtime: torch, onnxruntime or openvino.
        progress: show a progress bar where every option is compiled first.

    Raises:
        ValueError: unknown precision, or the runtime is not installed.
    """

    def __init__(
        self,
        space: ChainSpace,
        resolution: Size,
        device: torch.device,
        precision: str,
        runtime: str = "torch",
        progress: bool = False,
    ) -> None:
        self.space, self.device = space, device
        self._units: list[Callable[[Any], Any]] = []
        self._inputs: list[Any] = []  # tensors, or arrays of runtimes other than torch
        self._index: list[list[int]] = []
        known: dict[tuple[str, tuple[int, int, int]], int] = {}
        quiet = runtime == "torch" or not progress
        for choice in tqdm(space.choices, desc=f"compiling for {runtime}", disable=quiet):
            shape = space.candidate_input(choice.key, *resolution)
            x = random_input(shape, device, precision, runtime)
            self._inputs.append(x)
            row = []
            for option in choice.options:
                module = space.candidate(choice.key, option)
                signature = (repr(module), shape)
                if signature not in known:
                    known[signature] = len(self._units)
                    self._units.append(
                        _nothing
                        if isinstance(module, Zero)
                        else deployed(WithIdentity(module), x, device, precision, runtime)
                    )
                row.append(known[signature])
            self._index.append(row)
        self.clear()

    def clear(self) -> None:
        """Forgets all samples."""
        self._samples: list[list[float]] = [[] for _ in self._units]

    def run(self, rng: random.Random) -> None:
        """One round: as many chains as the longest choice has options, so that all options run."""
        columns = [rng.sample(row, len(row)) for row in self._index]
        for turn in range(max(len(column) for column in columns)):
            picks = [column[turn % len(column)] for column in columns]
            took = settled_laps(self._steps(picks), self.device)
            for pick, milliseconds in zip(picks, took, strict=True):
                self._samples[pick].append(milliseconds)

    def table(
        self, scale: float = 1.0, fixed: float = 0.0, provenance: dict[str, Any] | None = None
    ) -> CostTable:
        """The medians so far, times `scale`."""
        medians = [Latency.of(samples).median * scale for samples in self._samples]
        costs = {
            choice.key: tuple(medians[index] for index in row)
            for choice, row in zip(self.space.choices, self._index, strict=True)
        }
        return CostTable("latency", self.space.choices, costs, fixed, provenance or {})

    def _steps(self, picks: Sequence[int]) -> list[Callable[[], None]]:
        current = self._inputs[0]

        def step(position: int) -> None:
            nonlocal current
            own = self._inputs[position]  # spaces that are no chain read something else
            current = self._units[picks[position]](current if current.shape == own.shape else own)

        return [partial(step, position) for position in range(len(picks))]


class WithIdentity(nn.Module):
    """A module and the identity that a network adds around it where shapes allow."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """The sum, or what the module gives alone."""
        y: Tensor = self.module(x)
        return x + y if x.shape == y.shape else y


def _nothing(x: Any) -> Any:
    """A unit that is left out: only the identity around it remains."""
    return x
