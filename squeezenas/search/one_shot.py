"""The one-shot search: weights and architecture learn in turns (arXiv:1908.01748, section 3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.data.loaders import Batch
from squeezenas.engine import precision
from squeezenas.engine.bad_steps import BadSteps
from squeezenas.engine.checkpoint import (
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from squeezenas.engine.distributed import agree, average, together
from squeezenas.engine.optim import learning_rate, optimiser, take_step
from squeezenas.nn.path import Path
from squeezenas.search.distribution import describe
from squeezenas.search.select import Score
from squeezenas.search.setup import Search
from squeezenas.strategies.base import Metrics, SearchStep
from squeezenas.tracking.run import Run

METRIC_GRID = 4  # training mIoU is read on every fourth row and column


class OneShotSearch:
    """The state of a running search: what a checkpoint holds.

    Args:
        search: the parts.
    """

    def __init__(self, search: Search) -> None:
        self.parts = search
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, list[float]]] = []
        self.scores: dict[str, float] = {}
        self._bad = BadSteps(
            search.config.regime.max_bad_steps,
            "lower regime.optimiser.lr, try regime.precision=bf16 or fp32",
        )
        self._saved = time.monotonic()
        self._metric = search.task.metric()
        self._optimiser = optimiser(search.supernet, search.config.regime.optimiser)
        self._scaler = precision.scaler(search.precision, search.process.device)
        # Under hard sampling most candidates are in no step.
        hard = search.config.regime.strategy.sampling == "hard"
        self._forward = together(search.supernet, search.process, unused=hard)

    def run(self, run: Run) -> None:
        """Searches from where the state stands to the last epoch.

        Raises:
            ValueError: too many steps in a row were not finite.
            OSError: a file cannot be read or written.
        """
        parts, regime = self.parts, self.parts.config.regime
        warmup = regime.warmup_epochs * parts.steps_per_epoch
        weight_batches = parts.streams[0].batches(self.step)
        architecture_batches = parts.streams[1].batches(max(self.step - warmup, 0))
        while self.step < parts.steps:
            start = time.monotonic()
            epoch = self.step // parts.steps_per_epoch
            learning = epoch - regime.warmup_epochs
            parts.strategy.anneal(
                max(learning, 0) / max(regime.epochs - regime.warmup_epochs - 1, 1)
            )
            metrics: Metrics = {}
            if learning >= 0:
                metrics |= self.learn_architecture(next(architecture_batches))
            metrics |= self.learn_weights(next(weight_batches), held_out=learning >= 0)
            self.step += 1
            if self.step % parts.steps_per_epoch == 0:
                metrics |= self._end_epoch()
            run.log(metrics, self.step)
            self._tick(run, time.monotonic() - start)

    def learn_architecture(self, batch: Batch) -> Metrics:
        """One step of the architecture parameters on held-out images."""
        parts = self.parts
        inputs = parts.task.prepare(batch.images, batch.labels)
        losses: list[Tensor] = []

        def loss(path: Path) -> Tensor:
            with precision.autocast(parts.precision, parts.process.device):
                logits = parts.supernet(inputs.images, path.images(self._share))
            self._watch(logits, inputs.labels)
            value = parts.task.loss(logits, inputs.labels)
            losses.append(value.detach().clone())
            return value

        step = SearchStep(
            parts.config.regime.batch_size,
            loss,
            parts.cost.expected,
            parts.penalty,
            self._gradients,
        )
        with _frozen(parts.supernet):
            metrics = parts.strategy.learn(step)
        self._bad.count(metrics is not None, "architecture", self.step, parts.supernet)
        if metrics is None:
            return {}
        average(losses)
        parts.penalty.adapt(metrics["architecture/expected_cost"])
        return {
            "architecture/loss": float(losses[0]),
            **metrics,
            "architecture/multiplier": parts.penalty.multiplier,
            **describe(parts.strategy.probabilities(), parts.space),
        }

    def learn_weights(self, batch: Batch, held_out: bool) -> Metrics:
        """One step of the supernet's weights on a detached path.

        Args:
            batch: images and labels.
            held_out: whether the training mIoU is read from architecture steps instead of here.
        """
        parts, regime = self.parts, self.parts.config.regime
        rate = learning_rate(
            regime.optimiser, self.step, parts.steps, regime.optimiser.warmup_steps
        )
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        inputs = parts.task.prepare(batch.images, batch.labels)
        path = parts.strategy.propose(regime.batch_size).detach().images(self._share)
        self._optimiser.zero_grad(set_to_none=True)
        with precision.autocast(parts.precision, parts.process.device):
            logits = self._forward(inputs.images, path)
        loss = parts.task.loss(logits, inputs.labels)
        self._scaler.scale(loss).backward()
        norm, finite = take_step(
            self._optimiser, self._scaler, parts.supernet, regime.optimiser.clip
        )
        self._bad.count(finite, "weight", self.step, parts.supernet)
        if not held_out:
            self._watch(logits, inputs.labels)
        mean = loss.detach().clone()
        average([mean])
        return {
            "search/loss": float(mean),
            "search/lr": rate,
            "search/gradient_norm": norm,
            "search/bad_steps": self._bad.total,
        }

    @property
    def _share(self) -> slice:
        return self.parts.process.share(self.parts.config.regime.batch_size)

    def _gradients(self, loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor] | None:
        gradients = list(torch.autograd.grad(self._scaler.scale(loss), parameters))
        average(gradients)
        scale = self._scaler.get_scale()
        gradients = [gradient / scale for gradient in gradients]
        if bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all()):
            return gradients
        if self._scaler.is_enabled():  # the weight steps alone would not bring the scale down
            self._scaler.update(scale * self._scaler.get_backoff_factor())
        return None

    @torch.no_grad()
    def _watch(self, logits: Tensor, labels: Tensor) -> None:
        """Counts a part of the pixels for the running mIoU of the epoch."""
        grid = (..., slice(None, None, METRIC_GRID), slice(None, None, METRIC_GRID))
        self._metric.update(labels[grid], logits[grid].argmax(1))

    def _end_epoch(self) -> Metrics:
        """Closes an epoch: its mIoU, and the distribution as it stands."""
        miou = self._metric.joined().miou()
        self._metric = self.parts.task.metric()
        probabilities = self.parts.strategy.probabilities()
        self.history.append({key: row.tolist() for key, row in probabilities.items()})
        return {"search/miou": miou}

    def _tick(self, run: Run, seconds: float) -> None:
        """Keeps time, and a checkpoint at every epoch's end and every few minutes."""
        self.seconds += seconds
        batch_size = self.parts.config.regime.batch_size
        run.log_timing({"time/step": seconds, "time/images": batch_size / seconds}, self.step)
        if self.step % self.parts.steps_per_epoch == 0 or self._overdue():
            self.checkpoint(run)

    def _overdue(self) -> bool:
        """Whether a checkpoint is due. All processes take part in it, so one clock rules."""
        minutes = (time.monotonic() - self._saved) / 60
        return agree(minutes >= self.parts.config.checkpoint_minutes)

    def remembered(self, run: Run, score: Score) -> Score:
        """`score`, which keeps what it found in the checkpoints, so that none is computed again."""

        def remembering(architecture: Architecture, part: str) -> float:
            key = " ".join([part, *self.parts.space.write(architecture)])
            if key not in self.scores:
                start = time.monotonic()
                self.scores[key] = score(architecture, part)
                self.seconds += time.monotonic() - start
                if self._overdue():
                    self.checkpoint(run)
            return self.scores[key]

        return remembering

    def checkpoint(self, run: Run) -> None:
        """Writes the whole state.

        Raises:
            OSError: it cannot be written.
        """
        self._saved = time.monotonic()
        run.checkpoint(self.state_dict(), save_checkpoint)

    def resume(self, run: Run) -> None:
        """Takes the state of the last checkpoint, if there is one."""
        state = run.restore(load_checkpoint)
        if state is not None:
            self.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed search needs; tensors and plain types."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "scores": self.scores,
            "bad": self._bad.state_dict(),
            "counts": self._metric.joined().counts.cpu(),
            "supernet": self.parts.supernet.state_dict(),
            "strategy": self.parts.strategy.state_dict(),
            "penalty": self.parts.penalty.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "random": random_states(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.history, self.scores = state["history"], state["scores"]
        self._bad.load_state_dict(state["bad"])
        if self.parts.process.main:  # the counts of all processes
            self._metric.counts.copy_(state["counts"])
        self.parts.supernet.load_state_dict(state["supernet"])
        self.parts.strategy.load_state_dict(state["strategy"])
        self.parts.penalty.load_state_dict(state["penalty"])
        self._optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:  # empty when the run has gone on without fp16 until now
            self._scaler.load_state_dict(state["scaler"])
        restore_random_states(state["random"])


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No gradients for the weights: an architecture step needs none of them."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
