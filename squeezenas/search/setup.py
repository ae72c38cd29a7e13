"""Builds everything a one-shot search needs from its configuration, before any training."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

from squeezenas.core.search_config import SearchConfig
from squeezenas.core.space import SearchSpace, spaces
from squeezenas.costs.penalty import Penalty
from squeezenas.costs.price import cost_table
from squeezenas.costs.table import CostTable
from squeezenas.data.decode import read_frame, require_whole
from squeezenas.data.loaders import TrainingStream, draw_seed
from squeezenas.data.transforms import training_transform
from squeezenas.engine import precision
from squeezenas.engine.distributed import Process, agree, wait
from squeezenas.nn.memory_format import channels_last
from squeezenas.search.splits import SearchFrames, search_frames
from squeezenas.strategies.base import OneShotStrategy, strategies
from squeezenas.tasks.segmentation import Segmentation


@dataclass(frozen=True)
class Search:
    """The parts of a one-shot search.

    Args:
        config: the resolved configuration.
        process: this process, and the device.
        precision: fp32, bf16 or fp16.
        frames: the divided data set.
        streams: batches for the weights and for the architecture.
        space: the search space.
        supernet: on the device, channels_last, in training mode.
        strategy: owner of the architecture parameters.
        cost: what each option costs.
        penalty: how cost enters the loss.
        task: loss and metric.
    """

    config: SearchConfig
    process: Process
    precision: str
    frames: SearchFrames
    streams: tuple[TrainingStream, TrainingStream]
    space: SearchSpace
    supernet: nn.Module
    strategy: OneShotStrategy
    cost: CostTable
    penalty: Penalty
    task: Segmentation

    @property
    def steps_per_epoch(self) -> int:
        """Weight steps an epoch."""
        regime = self.config.regime
        return regime.steps_per_epoch or max(1, len(self.frames.weights) // regime.batch_size)

    @property
    def steps(self) -> int:
        """Weight steps of the whole search."""
        return self.steps_per_epoch * self.config.regime.epochs


def build(config: SearchConfig, process: Process, folder: Path) -> Search:
    """Reads, checks, measures and builds; the same weights in every process.

    Args:
        config: the resolved configuration.
        process: this process.
        folder: where a measured latency table is kept, or found again.

    Raises:
        FileNotFoundError, ValueError, OSError: data, target or device do not fit; says which.
    """
    regime, card = config.regime, config.datasets
    arithmetic = precision.resolve(regime.precision, process.device)
    space = spaces[regime.space]()
    strategy = strategies[regime.strategy.name](
        space, regime.strategy, draw_seed(config.seed, -1) >> 1, process.device
    )
    if process.main:  # draws a generated data set, once
        for frame in set(chain(*search_frames(card, regime.select))):
            require_whole(frame.image)
            require_whole(frame.mask)
    wait()
    frames = search_frames(card, regime.select)
    for part in frames:  # a card that does not fit its files is told before anything is made
        read_frame(part[0], card)
    table = None
    if process.main:
        table = cost_table(
            regime.cost, space, card.num_classes, regime.head, process.device, folder,
            arithmetic, progress=process.main,
        )  # fmt: skip
    table = agree(table)
    assert table is not None
    random.seed(config.seed)  # nothing here draws from it; what the user plugs in may
    np.random.seed(config.seed % 2**32)
    torch.manual_seed(config.seed)
    supernet = space.supernet(card.num_classes, regime.head, regime.memory)
    supernet = channels_last(supernet.to(process.device))
    return Search(
        config=config,
        process=process,
        precision=arithmetic,
        frames=frames,
        streams=(
            _stream(config, process, frames, "weights", 0),
            _stream(config, process, frames, "architecture", 1),
        ),
        space=space,
        supernet=supernet.train(),
        strategy=strategy,
        cost=table,
        penalty=Penalty(regime.cost),
        task=Segmentation(card, process),
    )


def _stream(
    config: SearchConfig, process: Process, frames: SearchFrames, part: str, number: int
) -> TrainingStream:
    regime = config.regime
    return TrainingStream(
        getattr(frames, part),
        config.datasets,
        training_transform(regime.augmentation, regime.crop, config.datasets),
        regime.batch_size,
        draw_seed(config.seed, number) >> 1,
        config.workers,
        process.rank,
        process.world_size,
    )
