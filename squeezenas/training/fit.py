"""The training loop of one stage, whatever the task.

A step is a number: its learning rate, batch, augmentation and dropout follow from it and the seed,
so a checkpoint holds no random state and a resumed stage goes on bit for bit on the CPU.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from squeezenas.data.loaders import Batch, draw_seed
from squeezenas.engine import precision
from squeezenas.engine.bad_steps import BadSteps
from squeezenas.engine.checkpoint import load_checkpoint, save_checkpoint
from squeezenas.engine.distributed import average, together
from squeezenas.engine.optim import learning_rate, restore_optimiser, take_step, timm_optimiser
from squeezenas.engine.preemption import SafePoints
from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.nn.drop_path import DropPath
from squeezenas.tasks.task import Inputs, State, finite_state
from squeezenas.tracking.run import Run
from squeezenas.training.stage import StageParts
from squeezenas.training.validation import validate
from squeezenas.zoo.weights import save_weights

BEST = "best.safetensors"

Metrics = dict[str, float]


class Fit:
    """The state of a running stage: what a checkpoint holds.

    Args:
        parts: the stage.

    Attributes:
        step: optimiser steps done.
        seconds: time spent on them.
        history: figures of each validation, with its epoch.
    """

    def __init__(self, parts: StageParts) -> None:
        self.parts = parts
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []
        self._best_file = ""
        stage, process = parts.stage, parts.process
        self._bad = BadSteps(
            stage.max_bad_steps,
            f"lower regime.stages.{parts.name}.optimiser.lr, try precision=bf16 or fp32",
        )
        start = parts.transfer.fingerprint if parts.transfer else ""
        self._origin = {"the training images": parts.data.fingerprint(), "the first weights": start}
        self._safe_points = SafePoints(parts.config.checkpoint_minutes)
        self._metric = parts.task.metric()
        self._optimiser = timm_optimiser(parts.network, stage.optimiser)
        self._scaler = precision.scaler(parts.precision, process.device)
        self._average = _moving_average(parts.network, stage.ema) if stage.ema else None
        self._carried: State | None = None
        self._forward = together(parts.network, process)

    @property
    def network(self) -> nn.Module:
        """What is scored and kept: the moving average of the weights where there is one."""
        kept: nn.Module = self._average.module if self._average else self.parts.network
        return kept

    @property
    def best(self) -> dict[str, float]:
        """The validation with the best figure so far."""
        task = self.parts.task
        return max(self.history, key=lambda row: task.figure.merit(row[task.headline]))

    def run(self, run: Run) -> None:
        """Trains from where the state stands to the last epoch.

        Raises:
            ValueError: too many steps in a row were not finite.
            OSError: a file cannot be read or written.
            Stopped: a signal or the end of the time asked for it; a checkpoint was written.
        """
        parts = self.parts
        batches = parts.stream.batches(self.step)
        while self.step < parts.steps:
            start = time.monotonic()
            batch = next(batches)
            loaded = time.monotonic()
            metrics = self.learn(batch)
            self.step += 1
            trained = time.monotonic()
            if self.step % parts.steps_per_epoch == 0:
                metrics |= self._end_epoch(run)
            run.log(metrics, self.step)
            self.seconds += time.monotonic() - start
            timing = {"time/step": trained - start, "time/waiting_for_data": loaded - start}
            images = parts.stage.batch_size / (trained - start)
            run.log_timing({**timing, "time/images": images}, self.step)
            ended = self.step % parts.steps_per_epoch == 0
            self._safe_points.reached(lambda: self.checkpoint(run), due=ended)

    def learn(self, batch: Batch) -> Metrics:
        """One optimiser step on a batch, in as many parts as the regime says."""
        parts, stage = self.parts, self.parts.stage
        self._bad.begin(parts.network)
        warmup = round(stage.optimiser.warmup_epochs * parts.steps_per_epoch)
        rate = learning_rate(stage.optimiser, self.step, parts.steps, warmup)
        for path in parts.network.modules():
            if isinstance(path, DropPath):
                path.probability = stage.drop_path * self.step / parts.steps
        draw = self.step * parts.process.world_size + parts.process.rank
        torch.manual_seed(draw_seed(parts.seed, draw) >> 1)  # dropout
        self._optimiser.zero_grad(set_to_none=True)
        inputs = parts.task.prepare(batch.images, batch.labels)
        rate *= parts.task.rate_scale(inputs)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        pieces = zip(
            inputs.images.chunk(stage.accumulation),
            inputs.labels.chunk(stage.accumulation),
            strict=True,
        )
        if batch.begins or not finite_state(self._carried):
            self._carried = None
        losses = [
            self._backward(Inputs(*piece), number == stage.accumulation)
            for number, piece in enumerate(pieces, 1)
        ]
        norm, finite = take_step(self._optimiser, self._scaler, parts.network, stage.optimiser.clip)
        if finite and isinstance(self._average, AveragedModel):
            self._average.update_parameters(parts.network)
        elif finite and self._average is not None:
            self._average.update(parts.network, step=self.step + 1)
        self._bad.count(finite, "training", self.step, parts.network)
        loss = torch.stack(losses).sum()
        average([loss])
        return {
            "train/loss": float(loss),
            "train/lr": rate,
            "train/gradient_norm": norm,
            "train/bad_steps": self._bad.total,
        }

    def _backward(self, inputs: Inputs, last: bool) -> Tensor:
        """Adds the gradients of a part of the batch and returns its share of the loss."""
        parts, task = self.parts, self.parts.task
        with self._without_sync(last):
            with precision.autocast(parts.precision, parts.process.device):
                output = task.run(self._forward, inputs, state=self._carried)
            loss = task.loss(output, inputs.labels) / parts.stage.accumulation
            whole = loss + task.regularisation(output) / parts.stage.accumulation
            self._scaler.scale(whole).backward()
        self._carried = task.carried(output)
        with torch.no_grad():
            task.watch(self._metric, output, inputs.labels)
        return loss.detach().clone()

    def _without_sync(self, last: bool) -> AbstractContextManager[None]:
        """Processes exchange gradients once a step, after the last part."""
        if last or not isinstance(self._forward, DistributedDataParallel):
            return nullcontext()
        return self._forward.no_sync()

    def _end_epoch(self, run: Run) -> Metrics:
        """Closes an epoch: its training figure and, when it is time, the validation."""
        parts = self.parts
        task, epoch = parts.task, self.step // parts.steps_per_epoch
        trained = task.figures(self._metric.joined())[task.headline]
        self._metric = task.metric()
        metrics = {f"train/{task.headline}": trained}
        if epoch % parts.stage.validate_every and epoch != parts.stage.epochs:
            return metrics
        figures = validate(self.network, parts, parts.data.validation)
        self.history.append({"epoch": epoch, **figures})
        self._begin_average()
        if self.best["epoch"] == epoch and parts.process.main:
            self._best_file = save_weights(run.folder / BEST, self.network, parts.model_card)
        return metrics | {f"val/{name}": value for name, value in figures.items()}

    def _begin_average(self) -> None:
        """Averages the weights from now on if nothing got better for long (NT-ASGD)."""
        task, patience = self.parts.task, self.parts.stage.average_after
        merits = [task.figure.merit(row[task.headline]) for row in self.history]
        if patience and self._average is None and stalled(merits, patience):
            self._average = AveragedModel(self.parts.network)

    def _averaged(self) -> int:
        """Steps in the plain average of the weights."""
        return int(self._average.n_averaged) if isinstance(self._average, AveragedModel) else 0

    def checkpoint(self, run: Run) -> None:
        """Writes the whole state.

        Raises:
            OSError: it cannot be written.
        """
        run.checkpoint(self.state_dict(), save_checkpoint)

    def resume(self, run: Run) -> None:
        """Takes the state of the last checkpoint, if there is one.

        Raises:
            ValueError: no checkpoint can be read, or it is of another network or optimiser.
        """
        state = run.restore(load_checkpoint)
        if state is None:
            return
        try:
            self.load_state_dict(state)
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"the checkpoint in {run.folder} does not fit this network "
                f"({str(error).strip().splitlines()[0]}); it is of another architecture or version"
            ) from error
        self._drop_later_best(run)

    def _drop_later_best(self, run: Run) -> None:
        """Removes a best file from after the checkpoint: only bit for bit it would come again."""
        best = run.folder / BEST
        if self.parts.process.main and best.is_file():
            digest = hashlib.sha256(best.read_bytes()).hexdigest()
            if digest != self._best_file:
                best.unlink()

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed stage needs; tensors and plain types."""
        return {
            "origin": self._origin,
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "best_file": self._best_file,
            "bad": self._bad.state_dict(),
            "counts": self._metric.joined().counts.cpu(),
            "network": self.parts.network.state_dict(),
            "average": self._average.module.state_dict() if self._average else {},
            "averaged": self._averaged(),
            "carried": [tensor.cpu() for tensor in self._carried or ()],
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave.

        Raises:
            KeyError, RuntimeError, ValueError: it is not the state of such a stage, or of one that
                began with other data or weights.
        """
        other = [name for name, value in self._origin.items() if state["origin"][name] != value]
        if other:
            raise ValueError(
                f"{' and '.join(other)} of stage {self.parts.name} are not those it began with; "
                "put them back to resume, or start a new run"
            )
        self.parts.network.load_state_dict(state["network"])
        if state["average"] and self._average is None:  # it began on the way
            self._average = AveragedModel(self.parts.network)
            self._average.n_averaged.fill_(state["averaged"])
        if self._average is not None:
            self._average.module.load_state_dict(state["average"])
        device = self.parts.process.device
        self._carried = tuple(tensor.to(device) for tensor in state["carried"]) or None
        restore_optimiser(self._optimiser, state["optimiser"])
        if state["scaler"]:  # empty when the stage has gone on without fp16 until now
            self._scaler.load_state_dict(state["scaler"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.history = [dict(row) for row in state["history"]]
        self._best_file = state["best_file"]
        self._bad.load_state_dict(state["bad"])
        if self.parts.process.main:  # the counts of all processes
            self._metric.counts.copy_(state["counts"])


def stalled(merits: Sequence[float], patience: int) -> bool:
    """Whether the last validation is worse than one more than `patience` validations before it.

    Higher merits are better (arXiv:1708.02182, algorithm 1: `v > min over logs[0 .. t-n-1]`).
    """
    earlier = merits[: -1 - patience]
    return bool(earlier) and merits[-1] < max(earlier)


def _moving_average(network: nn.Module, decay: float) -> Any:
    """An exponential moving average whose decay rises with the steps: short stages gain too."""
    import_torchvision()
    from timm.utils import ModelEmaV3

    return ModelEmaV3(network, decay=decay, use_warmup=True)
