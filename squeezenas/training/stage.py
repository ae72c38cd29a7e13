"""Builds everything one stage needs, and checks the data of all of them before the first begins."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard
from squeezenas.core.retrain_config import RetrainConfig, Stage
from squeezenas.data.feed import (
    Part,
    Stream,
    complete,
    fingerprint,
    read_part,
    require_disjoint,
    require_readable,
    require_whole_frames,
    steps_per_epoch,
    training_stream,
)
from squeezenas.data.frames import require_different_stems
from squeezenas.data.loaders import draw_seed
from squeezenas.engine import precision
from squeezenas.engine.distributed import Process, wait
from squeezenas.nn.cell_heads import AuxiliaryClassifier
from squeezenas.nn.language_network import LanguageNetwork
from squeezenas.nn.memory_format import channels_last
from squeezenas.tasks.task import Task
from squeezenas.training.transfer import StartingWeights, Transfer, transfer
from squeezenas.zoo.build import build
from squeezenas.zoo.tasks import make_task


@dataclass(frozen=True)
class StageData:
    """The files of one stage.

    Args:
        card: the data set, its classes known.
        training: what is trained on.
        validation: what is scored between epochs.
        report: what the finished network is scored on.
    """

    card: DatasetCard
    training: Part
    validation: Part
    report: Part

    def fingerprint(self) -> str:
        """Changes with the classes and with the training samples, not with where they lie."""
        digest = hashlib.blake2b(repr(self.card.classes).encode(), digest_size=16)
        digest.update(fingerprint(self.training))
        return digest.hexdigest()


@dataclass(frozen=True)
class StageParts:
    """The parts of one stage.

    Args:
        name: the stage.
        config: the whole configuration.
        process: this process, and the device.
        precision: fp32, bf16 or fp16.
        data: its files.
        stream: training batches.
        task: loss and metric.
        network: on the device, channels_last, in training mode.
        seed: of everything random in this stage.
        transfer: what was loaded into the network, if anything.
    """

    name: str
    config: RetrainConfig
    process: Process
    precision: str
    data: StageData
    stream: Stream
    task: Task
    network: nn.Module
    seed: int
    transfer: Transfer | None

    @property
    def stage(self) -> Stage:
        """Its regime."""
        return self.config.regime.stages[self.name]

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps an epoch."""
        return self.stage.steps_per_epoch or steps_per_epoch(
            self.stream, self.data.training, self.stage.batch_size
        )

    @property
    def steps(self) -> int:
        """Optimiser steps of the stage."""
        return self.steps_per_epoch * self.stage.epochs

    @property
    def model_card(self) -> ModelCard:
        """The network as this stage trains it: with its classes and task, not yet any weights."""
        card = self.data.card
        unknown: dict[str, Any] = {"weights": None, "costs": None, "published": {}, "training": {}}
        return _at_scale(self.config, card).model_copy(update={"dataset": card.name, **unknown})


def read_data(config: RetrainConfig, process: Process) -> dict[str, StageData]:
    """The files of every stage; the first of each split is read, so that a wrong card shows now.

    Raises:
        FileNotFoundError, ValueError, OSError: a data set is missing, damaged or does not fit its
            card; names the file or the key.
    """
    for name, stage in config.regime.stages.items():
        if stage.batch_size % (process.world_size * stage.accumulation):
            raise ValueError(
                f"regime.stages.{name}.batch_size {stage.batch_size} does not divide by "
                f"{process.world_size} processes times accumulation {stage.accumulation}"
            )
    found = {}
    if process.main:  # draws generated data sets and masks, once
        found = {name: _stage_data(config, name) for name in config.regime.stages}
        for data in found.values():
            for part in (data.training, data.validation, data.report):
                require_whole_frames(part)
    wait()
    found = found or {name: _stage_data(config, name) for name in config.regime.stages}
    for data in found.values():
        for part in (data.training, data.validation, data.report):
            require_readable(part, data.card)
    return found


def _stage_data(config: RetrainConfig, name: str) -> StageData:
    stage, card = config.regime.stages[name], complete(config.datasets[name])
    training, validation = read_part(card, "train"), read_part(card, stage.validation)
    report = read_part(card, stage.report) if stage.report else validation
    for part in {stage.validation: validation, stage.report: report}.values():
        require_disjoint(training, part)
    if card.task == "segmentation" and not isinstance(report, Tensor):
        require_different_stems(report, card)
    return StageData(card, training, validation, report)


def build_stage(
    config: RetrainConfig,
    name: str,
    process: Process,
    data: StageData,
    weights: StartingWeights | None,
) -> StageParts:
    """The parts of a stage; the same network in every process.

    Args:
        config: the whole configuration.
        name: the stage.
        process: this process.
        data: its files.
        weights: what it starts from; None: fresh weights.

    Raises:
        ValueError: network, weights, loss or device do not fit; says which.
    """
    stage, card = config.regime.stages[name], data.card
    seed = draw_seed(config.seed, list(config.regime.stages).index(name)) >> 1
    arithmetic = precision.resolve(stage.precision, process.device)
    task = make_task(card, process, stage.loss, stage.bptt)
    random.seed(seed)  # nothing here draws from these two; what the user plugs in may
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    network = build(_at_scale(config, card), card.num_classes)
    if isinstance(network, LanguageNetwork):
        network.dropout = stage.dropout
    sides = (isinstance(module, AuxiliaryClassifier) for module in network.modules())
    if stage.loss.auxiliary and not any(sides):
        raise ValueError(
            f"regime.stages.{name}.loss.auxiliary={stage.loss.auxiliary:g}: {config.models.name} "
            "has no auxiliary head; set it to 0, or for cells regime.scale.auxiliary=true"
        )
    report = transfer(network, weights, card.classes) if weights else None
    return StageParts(
        name=name,
        config=config,
        process=process,
        precision=arithmetic,
        data=data,
        stream=training_stream(
            data.training, card, stage, seed, process, config.workers, config.cache,
            config.cache_folder,
        ),
        task=task,
        network=channels_last(network.to(process.device)).train(),
        seed=seed,
        transfer=report,
    )  # fmt: skip


def _at_scale(config: RetrainConfig, card: DatasetCard) -> ModelCard:
    """The network as it is trained on a data set: its task, its classes, its sizes."""
    network = config.models
    speaks = card.task == "language"
    if speaks != (network.task == "language"):
        raise ValueError(
            f"{network.name} is for {network.task}, and {card.name} is a data set for {card.task}; "
            "choose another network or another data set"
        )
    if speaks and any(stage.accumulation > 1 for stage in config.regime.stages.values()):
        raise ValueError("accumulation divides images, and a text has an order; leave it at 1")
    return network.model_copy(
        update={
            "task": card.task,
            "classes": () if speaks else card.classes,
            "words": card.num_classes if speaks else None,
            "scale": {**network.scale, **config.regime.scale} if network.space else {},
        }
    )
