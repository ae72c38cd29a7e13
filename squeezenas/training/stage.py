"""Builds everything one stage needs, and checks the data of all of them before the first begins."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.model_card import ModelCard
from squeezenas.core.retrain_config import RetrainConfig, Stage
from squeezenas.data.decode import read_sample, require_whole
from squeezenas.data.frames import (
    Frame,
    Sample,
    assert_disjoint,
    require_different_stems,
    samples,
    with_classes,
)
from squeezenas.data.image_transforms import image_evaluation_transform, image_transform
from squeezenas.data.loaders import TrainingStream, draw_seed
from squeezenas.data.transforms import EvaluationTransform, training_transform
from squeezenas.engine import precision
from squeezenas.engine.distributed import Process, wait
from squeezenas.nn.memory_format import channels_last
from squeezenas.tasks.classification import Classification
from squeezenas.tasks.segmentation import Segmentation
from squeezenas.tasks.task import Task
from squeezenas.training.transfer import StartingWeights, Transfer, transfer
from squeezenas.zoo.build import build


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
    training: Sequence[Sample]
    validation: Sequence[Sample]
    report: Sequence[Sample]

    def fingerprint(self) -> str:
        """Changes with the classes and with the training samples, not with where they lie."""
        digest = hashlib.blake2b(repr(self.card.classes).encode(), digest_size=16)
        for sample in self.training:
            digest.update(sample.stem.encode() + b"\0")
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
    stream: TrainingStream
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
        return self.stage.steps_per_epoch or max(
            1, len(self.data.training) // self.stage.batch_size
        )

    @property
    def steps(self) -> int:
        """Optimiser steps of the stage."""
        return self.steps_per_epoch * self.stage.epochs

    @property
    def model_card(self) -> ModelCard:
        """The network as this stage trains it: with its classes and task, not yet any weights."""
        card = self.data.card
        trained = {"classes": card.classes, "dataset": card.name, "task": card.task}
        unknown: dict[str, Any] = {"weights": None, "costs": None, "published": {}, "training": {}}
        return self.config.models.model_copy(update=trained | unknown)

    @property
    def evaluation_transform(self) -> EvaluationTransform | None:
        """What a scored image goes through; None: it is scored as it is."""
        if self.data.card.task == "classification":
            return image_evaluation_transform(self.stage.crop)
        return None


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
            _require_whole_frames(data)
    wait()
    found = found or {name: _stage_data(config, name) for name in config.regime.stages}
    for data in found.values():
        for part in (data.training, data.validation, data.report):
            read_sample(part[0], data.card)
    return found


def _require_whole_frames(data: StageData) -> None:
    """Refuses truncated frames; millions of images for classification are not opened for it."""
    for sample in {*data.training, *data.validation, *data.report}:
        if isinstance(sample, Frame):
            require_whole(sample.image)
            require_whole(sample.mask)


def _stage_data(config: RetrainConfig, name: str) -> StageData:
    stage, card = config.regime.stages[name], with_classes(config.datasets[name])
    training, validation = samples(card, "train"), samples(card, stage.validation)
    report = samples(card, stage.report) if stage.report else validation
    for part in {stage.validation: validation, stage.report: report}.values():
        assert_disjoint(training, part)
    if card.task == "segmentation":
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
    classifies = card.task == "classification"
    task = (Classification if classifies else Segmentation)(card, process, stage.loss)
    transform = (
        image_transform(stage.image_augmentation, stage.crop, card)
        if classifies
        else training_transform(stage.augmentation, stage.crop, card)
    )
    random.seed(seed)  # nothing here draws from these two; what the user plugs in may
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    network = build(config.models.model_copy(update={"task": card.task}), card.num_classes)
    report = transfer(network, weights, card.classes) if weights else None
    return StageParts(
        name=name,
        config=config,
        process=process,
        precision=arithmetic,
        data=data,
        stream=TrainingStream(
            data.training,
            card,
            transform,
            stage.batch_size,
            seed,
            config.workers,
            process.rank,
            process.world_size,
            config.cache,
            config.cache_folder,
        ),
        task=task,
        network=channels_last(network.to(process.device)).train(),
        seed=seed,
        transfer=report,
    )
