"""Builds everything a one-shot search needs from its configuration, before any training."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import task_of
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.registry import nearest
from squeezenas.core.search_config import SearchConfig
from squeezenas.core.space import ChainSpace, SearchSpace, make_space
from squeezenas.costs.macs import parameters
from squeezenas.costs.penalty import Penalty
from squeezenas.costs.price import cost_table
from squeezenas.costs.table import UNITS, CostTable
from squeezenas.data.feed import (
    Stream,
    complete,
    require_readable,
    require_whole_frames,
    steps_per_epoch,
    training_stream,
)
from squeezenas.data.loaders import draw_seed
from squeezenas.engine import precision
from squeezenas.engine.distributed import Process, agree, wait
from squeezenas.nn.language_network import LanguageNetwork
from squeezenas.nn.memory_format import channels_last
from squeezenas.search.splits import SearchParts, search_parts
from squeezenas.strategies.base import OneShotStrategy, strategies
from squeezenas.tasks.task import Task
from squeezenas.zoo.tasks import make_task


@dataclass(frozen=True)
class Search:
    """The parts of a one-shot search.

    Args:
        config: the resolved configuration.
        process: this process, and the device.
        precision: fp32, bf16 or fp16.
        card: the data set, its classes known.
        data: the divided data set.
        streams: batches for the weights and for the architecture.
        space: the search space.
        supernet: on the device, channels_last, in training mode.
        strategy: owner of the architecture parameters.
        cost: what each option costs; None where no target is set.
        penalty: how cost enters the loss; None likewise.
        task: loss and metric.
    """

    config: SearchConfig
    process: Process
    precision: str
    card: DatasetCard
    data: SearchParts
    streams: tuple[Stream, Stream]
    space: SearchSpace
    supernet: nn.Module
    strategy: OneShotStrategy
    cost: CostTable | None
    penalty: Penalty | None
    task: Task

    @property
    def steps_per_epoch(self) -> int:
        """Weight steps an epoch."""
        regime = self.config.regime
        return regime.steps_per_epoch or steps_per_epoch(
            self.streams[0], self.data.weights, regime.batch_size
        )

    @property
    def steps(self) -> int:
        """Weight steps of the whole search."""
        return self.steps_per_epoch * self.config.regime.epochs

    @property
    def unit(self) -> str:
        """What costs are counted in."""
        return self.cost.unit if self.cost else UNITS["parameters"]

    def network(self, architecture: Architecture) -> nn.Module:
        """The stand-alone network of an architecture, at the scale of the search."""
        return self.space.network(architecture, self.task.classes, self.config.regime.head)

    def cost_of(self, architecture: Architecture) -> float:
        """What a network costs by the table; without one, its parameters in millions."""
        if self.cost is not None:
            return self.cost.of(architecture)
        with torch.device("meta"):
            return parameters(self.network(architecture))

    def expected_cost(self, path: Mapping[str, Tensor]) -> Tensor:
        """The mean cost of a path's networks; 0 where no target is set."""
        if self.cost is None:
            return torch.zeros((), device=self.process.device)
        return self.cost.expected(path)

    def penalised(self, loss: Tensor, path_cost: Tensor, cost: Tensor) -> Tensor:
        """The loss with what is paid for cost."""
        return loss if self.penalty is None else self.penalty(loss, path_cost, cost)


def build(config: SearchConfig, process: Process, folder: Path) -> Search:
    """Reads, checks, measures and builds; the same weights in every process.

    Args:
        config: the resolved configuration.
        process: this process.
        folder: where a measured latency table is kept, or found again.

    Raises:
        FileNotFoundError, ValueError, OSError: data, target or device do not fit; says which.
    """
    regime = config.regime
    arithmetic = precision.resolve(regime.precision, process.device)
    space = make_space(regime.space, regime.scale)
    _require_head(space, regime.head, config.datasets)
    strategy = strategies[regime.strategy.name](
        space, regime.strategy, draw_seed(config.seed, -1) >> 1, process.device
    )
    columns = regime.batch_size // process.world_size
    if config.datasets.task == "language" and columns < 2:
        raise ValueError(
            f"regime.batch_size={regime.batch_size} over {process.world_size} process(es): batch "
            "norms in a recurrent cell need two columns of text each; raise it"
        )
    if not (space.soft or strategy.hard):
        raise ValueError(
            f"regime.strategy.name={regime.strategy.name} mixes options, and a supernet of "
            f"{space.name} runs one of each choice; use enas, single_path or strategy.sampling=hard"
        )
    if arithmetic != "fp32" and (strategy.needs_weights or regime.strategy.darts.eigenvalue_every):
        raise ValueError(
            f"regime.precision={regime.precision} is {arithmetic} here, and strategy.darts.order=2 "
            "and eigenvalue_every take differences too small for it; use regime.precision=fp32"
        )
    if process.main:  # draws a generated data set, once
        for part in search_parts(complete(config.datasets), regime.select):
            require_whole_frames(part)
    wait()
    card = complete(config.datasets)
    data = search_parts(card, regime.select)
    for part in data:
        require_readable(part, card)
    table = _table(config, process, card, space, arithmetic, folder)
    random.seed(config.seed)  # nothing here draws from it; what the user plugs in may
    np.random.seed(config.seed % 2**32)
    torch.manual_seed(config.seed)
    supernet = space.supernet(card.num_classes, regime.head, regime.memory)
    if isinstance(supernet, LanguageNetwork):
        supernet.dropout = regime.dropout
    supernet = channels_last(supernet.to(process.device))
    return Search(
        config=config,
        process=process,
        precision=arithmetic,
        card=card,
        data=data,
        streams=(
            training_stream(
                data.weights, card, regime, draw_seed(config.seed, 0) >> 1, process, config.workers
            ),
            training_stream(
                data.architecture, card, regime, draw_seed(config.seed, 1) >> 1, process,
                config.workers,
            ),
        ),
        space=space,
        supernet=supernet.train(),
        strategy=strategy,
        cost=table,
        penalty=Penalty(regime.cost) if regime.cost else None,
        task=make_task(card, process, regime.loss, regime.bptt),
    )  # fmt: skip


def _require_head(space: SearchSpace, head: str, card: DatasetCard) -> None:
    if head not in space.heads:
        raise ValueError(
            f"regime.head={head}: networks of {space.name} cannot end in it"
            f"{nearest(head, list(space.heads))}; they can in {', '.join(space.heads)}"
        )
    if card.task != task_of(head):
        raise ValueError(
            f"regime.head={head} is for {task_of(head)}, and {card.name} is a data set for "
            f"{card.task}; choose another with datasets=NAME, or another head"
        )


def _table(
    config: SearchConfig,
    process: Process,
    card: DatasetCard,
    space: SearchSpace,
    arithmetic: str,
    folder: Path,
) -> CostTable | None:
    regime, table = config.regime, None
    if regime.cost is None:
        return None
    if not isinstance(space, ChainSpace):
        raise ValueError(
            f"regime.cost: the parts of a {space.name} network do not add up to what it costs; "
            "leave it out (regime.cost=null)"
        )
    if process.main:
        table = cost_table(
            regime.cost, space, card.num_classes, regime.head, process.device, folder,
            arithmetic, progress=process.main,
        )  # fmt: skip
    table = agree(table)
    assert table is not None
    return table
