"""The one-shot search: weights and architecture learn in turns (arXiv:1908.01748, section 3)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from squeezenas.core.architecture import Architecture
from squeezenas.data.loaders import Batch, draw_seed
from squeezenas.engine import precision
from squeezenas.engine.bad_steps import BadSteps
from squeezenas.engine.checkpoint import (
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from squeezenas.engine.distributed import average, together
from squeezenas.engine.optim import learning_rate, optimiser, sgd_update, take_step
from squeezenas.engine.preemption import SafePoints
from squeezenas.nn.path import Path
from squeezenas.search.distribution import describe
from squeezenas.search.select import Score
from squeezenas.search.setup import Search
from squeezenas.strategies.base import Metrics, SearchStep
from squeezenas.tasks.task import Inputs, State, finite_state
from squeezenas.tracking.run import Run


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
        self._held_out: list[Tensor] = []
        self._carried: dict[str, State | None] = {"weights": None, "architecture": None}
        self._bad = BadSteps(
            search.config.regime.max_bad_steps,
            "lower regime.optimiser.lr, try regime.precision=bf16 or fp32",
        )
        self._safe_points = SafePoints(search.config.checkpoint_minutes)
        self._metric = search.task.metric()
        self._optimiser = optimiser(search.supernet, search.config.regime.optimiser)
        self._scaler = precision.scaler(search.precision, search.process.device)
        # On hard paths most candidates are in no step.
        self._forward = together(search.supernet, search.process, unused=search.strategy.hard)

    def run(self, run: Run) -> None:
        """Searches from where the state stands to the last epoch.

        Raises:
            ValueError: too many steps in a row were not finite.
            OSError: a file cannot be read or written.
            Stopped: a signal or the end of the time asked for it; a checkpoint was written.
        """
        parts, regime = self.parts, self.parts.config.regime
        warmup = regime.warmup_epochs * parts.steps_per_epoch
        weight_batches = parts.streams[0].batches(self.step)
        architecture_batches = parts.streams[1].batches(max(self.step - warmup, 0))
        while self.step < parts.steps and not parts.strategy.finished:
            start = time.monotonic()
            epoch = self.step // parts.steps_per_epoch
            learning = epoch - regime.warmup_epochs
            parts.strategy.anneal(
                max(learning, 0) / max(regime.epochs - regime.warmup_epochs - 1, 1)
            )
            metrics: Metrics = {}
            batch, step = next(weight_batches), None
            self._held_out = []
            if learning >= 0:
                step = self.architecture_step(next(architecture_batches), batch)
                metrics |= self.learn_architecture(step)
            metrics |= self.learn_weights(batch, held_out=bool(self._held_out))
            self.step += 1
            if self.step % parts.steps_per_epoch == 0:
                metrics |= self._end_epoch(step)
            run.log(metrics, self.step)
            if self.step % parts.steps_per_epoch == 0:
                run.distribution(self.history[-1], parts.space)
            self._tick(run, time.monotonic() - start)

    def architecture_step(self, batch: Batch, training_batch: Batch) -> SearchStep:
        """What a strategy may ask for while it learns.

        Args:
            batch: held-out samples.
            training_batch: those of the weight step that comes next.
        """
        parts, regime = self.parts, self.parts.config.regime
        inputs, state = self._inputs(batch, "architecture")
        training_inputs, training_state = self._inputs(training_batch, "weights")
        self._held_out = []
        draws = draw_seed(parts.config.seed, self.step) >> 1

        def outcome(path: Path) -> Any:
            with _same_draws(draws, parts.process.device):
                output = self._output(parts.supernet, inputs, path, state)
            if not self._held_out:
                self._carried["architecture"] = parts.task.carried(output)
                with torch.no_grad():
                    parts.task.watch(self._metric, output, inputs.labels)
            return output

        def loss(path: Path) -> Tensor:
            output = outcome(path)
            value = parts.task.loss(output, inputs.labels)
            self._held_out.append(value.detach().clone())
            return value

        def training_loss(path: Path) -> Tensor:
            with _same_draws(draws, parts.process.device):
                output = self._output(parts.supernet, training_inputs, path, training_state)
            return parts.task.loss(output, training_inputs.labels)

        @torch.no_grad()
        def reward(path: Path) -> float:
            with _dropping_nothing(parts.supernet):
                output, metric = outcome(path), parts.task.metric()
            self._held_out.append(parts.task.loss(output, inputs.labels))
            joined = self._held_out[-1].clone()
            average([joined])
            if not joined.isfinite():  # what such an output is taken for means nothing
                return math.nan
            parts.task.count(metric, output, inputs.labels)
            return parts.task.reward(metric.joined())

        for group in self._optimiser.param_groups:
            group["lr"] = self._rate(training_inputs)
        return SearchStep(
            batch_size=regime.batch_size,
            loss=loss,
            expected_cost=parts.expected_cost,
            penalised=parts.penalised,
            gradients=self._gradients,
            training_loss=training_loss,
            reward=reward,
            weights=[p for group in self._optimiser.param_groups for p in group["params"]],
            virtual_update=lambda gradients: sgd_update(
                self._optimiser, gradients, regime.optimiser.clip
            ),
            untouched=lambda: _untouched(parts.supernet),
        )

    def learn_architecture(self, step: SearchStep) -> Metrics:
        """One step of the architecture parameters on held-out samples."""
        parts = self.parts
        self._bad.begin(parts.supernet)
        with self._architecture_mode():
            metrics = parts.strategy.learn(step)
        self._bad.count(metrics is not None, "architecture", self.step, parts.supernet)
        if metrics is None:
            return {}
        average(self._held_out)
        loss = {"architecture/loss": float(self._held_out[0])} if self._held_out else {}
        if parts.penalty is None:
            metrics = {k: v for k, v in metrics.items() if k != "architecture/expected_cost"}
        else:
            parts.penalty.adapt(metrics["architecture/expected_cost"])
            metrics = {**metrics, "architecture/multiplier": parts.penalty.multiplier}
        return {**loss, **metrics, **describe(parts.strategy.probabilities(), parts.space)}

    def learn_weights(self, batch: Batch, held_out: bool) -> Metrics:
        """One step of the supernet's weights on detached paths.

        Args:
            batch: samples and labels.
            held_out: whether the training figure is read from architecture steps instead of here.
        """
        parts, regime = self.parts, self.parts.config.regime
        self._bad.begin(parts.supernet)
        inputs, state = self._inputs(batch, "weights")
        rate = self._rate(inputs)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        paths = parts.strategy.paths(regime.batch_size)
        mean = torch.zeros((), device=parts.process.device)
        for path in paths:
            output = self._output(self._forward, inputs, path, state)
            loss = parts.task.loss(output, inputs.labels)
            whole = loss + parts.task.regularisation(output)
            self._scaler.scale(whole / len(paths)).backward()
            mean += loss.detach() / len(paths)
        self._carried["weights"] = parts.task.carried(output)
        norm, finite = take_step(
            self._optimiser, self._scaler, parts.supernet, regime.optimiser.clip
        )
        self._bad.count(finite, "weight", self.step, parts.supernet)
        if not held_out:
            with torch.no_grad():
                parts.task.watch(self._metric, output, inputs.labels)
        average([mean])
        return {
            "search/loss": float(mean),
            "search/lr": rate,
            "search/gradient_norm": norm,
            "search/bad_steps": self._bad.total,
        }

    def _inputs(self, batch: Batch, stream: str) -> tuple[Inputs, State | None]:
        """A batch on the device, and the state that its stream has come to, unless it is spoilt."""
        inputs, state = self.parts.task.prepare(batch.images, batch.labels), self._carried[stream]
        return inputs, state if finite_state(state) and not batch.begins else None

    def _output(self, network: nn.Module, inputs: Inputs, path: Path, state: State | None) -> Any:
        parts = self.parts
        with precision.autocast(parts.precision, parts.process.device):
            return parts.task.run(network, inputs, path.images(self._share), state)

    def _rate(self, inputs: Inputs) -> float:
        """The learning rate of the weight step that is next."""
        parts, config = self.parts, self.parts.config.regime.optimiser
        rate = learning_rate(config, self.step, parts.steps, config.warmup_steps)
        return rate * parts.task.rate_scale(inputs)

    @contextmanager
    def _architecture_mode(self) -> Iterator[None]:
        """Most strategies need no gradients of the weights, and none may remain."""
        parts = self.parts
        with nullcontext() if parts.strategy.needs_weights else _frozen(parts.supernet):
            yield

    @property
    def _share(self) -> slice:
        return self.parts.process.share(self.parts.config.regime.batch_size)

    def _gradients(self, loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor] | None:
        gradients = list(
            torch.autograd.grad(
                self._scaler.scale(loss), parameters, allow_unused=True, materialize_grads=True
            )
        )
        average(gradients)
        scale = self._scaler.get_scale()
        gradients = [gradient / scale for gradient in gradients]
        if bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all()):
            return gradients
        if self._scaler.is_enabled():  # the weight steps alone would not bring the scale down
            self._scaler.update(scale * self._scaler.get_backoff_factor())
        return None

    def _end_epoch(self, step: SearchStep | None) -> Metrics:
        """Closes an epoch: its figure, the distribution as it stands, what the strategy says."""
        task, strategy = self.parts.task, self.parts.strategy
        figure = task.figures(self._metric.joined())[task.headline]
        metrics = {f"search/{task.headline}": figure}
        if step is not None:
            with self._architecture_mode():
                metrics |= strategy.end_epoch(step)
        self._metric = task.metric()
        probabilities = strategy.probabilities()
        self.history.append({key: row.tolist() for key, row in probabilities.items()})
        return metrics

    def _tick(self, run: Run, seconds: float) -> None:
        """Keeps time, and a checkpoint at every epoch's end and every few minutes."""
        self.seconds += seconds
        batch_size = self.parts.config.regime.batch_size
        run.log_timing({"time/step": seconds, "time/images": batch_size / seconds}, self.step)
        ended = self.step % self.parts.steps_per_epoch == 0
        self._safe_points.reached(lambda: self.checkpoint(run), due=ended)

    def remembered(self, run: Run, score: Score) -> Score:
        """`score`, which keeps what it found in the checkpoints, so that none is computed again."""

        def remembering(architecture: Architecture, part: str) -> float:
            key = " ".join([part, *self.parts.space.write(architecture)])
            if key not in self.scores:
                start = time.monotonic()
                self.scores[key] = score(architecture, part)
                self.seconds += time.monotonic() - start
                self._safe_points.reached(lambda: self.checkpoint(run))
            return self.scores[key]

        return remembering

    def checkpoint(self, run: Run) -> None:
        """Writes the whole state.

        Raises:
            OSError: it cannot be written.
        """
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
            "carried": {
                stream: [tensor.cpu() for tensor in state or ()]
                for stream, state in self._carried.items()
            },
            "supernet": self.parts.supernet.state_dict(),
            "strategy": self.parts.strategy.state_dict(),
            "penalty": self.parts.penalty.state_dict() if self.parts.penalty else {},
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
        if self.parts.penalty is not None:
            self.parts.penalty.load_state_dict(state["penalty"])
        device = self.parts.process.device
        self._carried = {
            stream: tuple(tensor.to(device) for tensor in tensors) or None
            for stream, tensors in state["carried"].items()
        }
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


@contextmanager
def _same_draws(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout of one and the same mask: a difference of losses must not come from another one."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def _dropping_nothing(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, but for batch norms: they take the statistics of the batch, as in ENAS."""
    modes = {module: module.training for module in network.modules()}
    for module in modes:
        module.training = isinstance(module, _BatchNorm) and modes[module]
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _untouched(network: nn.Module) -> Iterator[None]:
    """Puts weights and running statistics back as they were."""
    tensors = [*network.parameters(), *network.buffers()]
    kept = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in zip(tensors, kept, strict=True):
                tensor.copy_(before)
