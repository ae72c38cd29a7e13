"""Scores networks by training each from scratch, for as long as a regime says."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from squeezenas.ask_tell.evaluators.evaluator import Evaluation, Evaluator
from squeezenas.core.architecture import Architecture
from squeezenas.core.ask_tell_config import AskTellConfig
from squeezenas.core.config import task_of
from squeezenas.core.model_card import ModelCard
from squeezenas.core.recipes import load_one_stage
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.core.space import make_space
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.data.feed import complete, divide, read_part, require_disjoint
from squeezenas.engine.distributed import Process
from squeezenas.tracking.run import Run
from squeezenas.training.fit import Fit
from squeezenas.training.stage import StageData, build_stage
from squeezenas.training.validation import validate
from squeezenas.zoo.found import network_card
from squeezenas.zoo.tasks import make_task

UNITS = {"macs": "GMACs", "parameters": "M parameters"}


class TrainEvaluator(Evaluator):
    """Trains on part of the training split, scores on the rest; the val split reports.

    Args:
        config: the search.
        process: this process.

    Attributes:
        data: the samples that train, score and report.

    Raises:
        FileNotFoundError, ValueError, OSError: space, regime or data do not fit; says which.
    """

    weights = "trained"

    def __init__(self, config: AskTellConfig, process: Process) -> None:
        regime, asked = config.regime, config.regime.evaluator
        if not regime.space:
            raise ValueError("regime.space is missing: which networks shall be trained?")
        self.space = make_space(regime.space, regime.scale)
        if regime.head not in self.space.heads or task_of(regime.head) != config.datasets.task:
            raise ValueError(
                f"regime.head={regime.head} does not fit space {regime.space} (it ends in "
                f"{', '.join(self.space.heads)}) or {config.datasets.name} ({config.datasets.task})"
            )
        self._config, self._process = config, process
        always = {"dataset": config.datasets.name, "init": "scratch"}
        self._name, self._regime = load_one_stage(asked.regime, {**asked.settings, **always})
        card = complete(config.datasets)
        shares = {"learning": 1 - asked.held_out, "selection": asked.held_out}
        parts, report = divide(read_part(card, "train"), shares), read_part(card, "val")
        require_disjoint(parts["learning"], parts["selection"], report)
        self.data = StageData(card, parts["learning"], parts["selection"], report)
        stage = self._regime.stages[self._name]
        self._task = make_task(card, process, stage.loss, stage.bptt)
        self._kind = regime.objective.cost or ("macs" if card.task != "language" else "parameters")
        if self._kind not in UNITS or (card.task == "language" and self._kind == "macs"):
            raise ValueError(f"regime.objective.cost={self._kind}: use {' or '.join(UNITS)}")
        self.figure, self.headline = self._task.figure, self._task.headline
        self.unit = UNITS[self._kind]

    def network_card(self, architecture: Architecture, name: str) -> ModelCard:
        """What `train.py` would build."""
        regime = self._config.regime
        return network_card(
            name, self.space, regime.scale, regime.head, self.data.card, architecture
        )

    def cost(self, architecture: Architecture) -> float:
        """GMACs of one crop, or millions of parameters."""
        with torch.device("meta"):
            network: nn.Module = self.space.network(
                architecture, self.data.card.num_classes, self._config.regime.head
            )
        if self._kind == "parameters":
            return parameters(network)
        return gmacs(network, self._regime.stages[self._name].crop)

    def evaluate(self, architecture: Architecture, seed: int) -> Evaluation:
        """Trains with this seed; the figure of the last epoch on the held-out samples."""
        start = time.monotonic()
        config = RetrainConfig(
            name="evaluation",
            seed=seed,
            device=self._config.device,
            workers=self._config.workers,
            models=self.network_card(architecture, "candidate"),
            datasets={self._name: self.data.card},
            regime=self._regime,
        )
        parts = build_stage(config, self._name, self._process, self.data, None)
        with tempfile.TemporaryDirectory() as scratch:
            run = Run.create(Path(scratch) / "run", {}, steps=parts.steps)
            with run:
                fit = Fit(parts)
                fit.run(run)
        value = fit.history[-1][self.headline]
        report = validate(fit.network, parts, self.data.report)[self.headline]
        return Evaluation(value, time.monotonic() - start, {f"report_{self.headline}": report})
