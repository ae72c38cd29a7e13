"""Language modelling: cross-entropy of the next word, and perplexity."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.config import Loss
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.engine.distributed import Process, total
from squeezenas.nn.language_network import LanguageOutput
from squeezenas.nn.path import Path
from squeezenas.tasks.task import Inputs, State, Task, mean_of


class Surprise:
    """Adds up what the words of a text cost.

    Args:
        device: where the sums live.

    Attributes:
        counts: nats and words, float64 `(2,)`.
    """

    def __init__(self, device: torch.device) -> None:
        self.counts = torch.zeros(2, dtype=torch.float64, device=device)

    def update(self, labels: Tensor, logits: Tensor) -> None:
        """Adds words: labels `(T, N)`, -100 where there is none, and logits `(T, N, words)`."""
        losses = F.cross_entropy(
            logits.detach().to(torch.promote_types(logits.dtype, torch.float32)).flatten(0, 1),
            labels.flatten(),
            reduction="none",
        )
        self.counts += torch.stack((losses.double().sum(), (labels >= 0).sum().double()))

    def joined(self) -> Surprise:
        """The sums of all processes, as a new metric."""
        whole = Surprise(self.counts.device)
        whole.counts = total(self.counts.clone())
        return whole


class Language(Task):
    """The next word of a text; the output is a `LanguageOutput`.

    Args:
        card: the data set.
        process: which device, and which share of the columns.
        loss: label smoothing and the penalties on activations.
        bptt: words of a segment that the learning rate is meant for.

    Raises:
        ValueError: a loss that is for images.
    """

    headline: ClassVar[str] = "perplexity"

    def __init__(
        self, card: DatasetCard, process: Process, loss: Loss | None = None, bptt: int = 35
    ) -> None:
        super().__init__(card, process)
        self._loss, self._bptt = loss or Loss(), bptt
        if self._loss.kind != "cross_entropy" or self._loss.class_weights:
            raise ValueError(
                f"loss.kind={self._loss.kind} with class_weights={list(self._loss.class_weights)} "
                f"is for images; {card.name} is text, so leave both out"
            )

    def prepare(self, images: Tensor, labels: Tensor) -> Inputs:
        """Words and labels `(T, N)` on the device."""
        device = self.process.device
        return Inputs(images.to(device, non_blocking=True), labels.to(device, non_blocking=True))

    def run(
        self, network: nn.Module, inputs: Inputs, path: Path | None = None, state: Any = None
    ) -> LanguageOutput:
        """As in every task; without a state the text begins."""
        output: LanguageOutput = network(inputs.images, state, path)
        return output

    def carried(self, output: LanguageOutput) -> State:
        """The state without its history: gradients end where the segment begins."""
        return tuple(tensor.detach() for tensor in output.state)

    def rate_scale(self, inputs: Inputs) -> float:
        """Length of the segment over `bptt` (arXiv:1708.02182, section 4.1)."""
        return len(inputs.images) / self._bptt

    def reward(self, metric: Surprise) -> float:
        """80 / perplexity (ENAS, arXiv:1802.03268, section 2.2: c / perplexity)."""
        return 80 / self.figures(metric)[self.headline]

    def loss(self, output: LanguageOutput, labels: Tensor) -> Tensor:
        """Mean cross-entropy of the joined batch's words, float32."""
        summed = F.cross_entropy(
            output.logits.float().flatten(0, 1),
            labels.flatten(),
            label_smoothing=self._loss.label_smoothing,
            reduction="sum",
        )
        return mean_of(summed, (labels >= 0).sum(), self.process)

    def regularisation(self, output: LanguageOutput) -> Tensor | float:
        """Activation and temporal activation regularisation (arXiv:1708.02182, section 4.6).

        `a * mean(dropped^2) + b * mean((raw_{t+1} - raw_t)^2)`.
        """
        config, penalty = self._loss, torch.zeros((), device=output.logits.device)
        if config.activation_penalty:
            penalty = penalty + config.activation_penalty * output.dropped.float().square().mean()
        if config.slowness_penalty and len(output.raw) > 1:
            changes = output.raw[1:].float() - output.raw[:-1].float()
            penalty = penalty + config.slowness_penalty * changes.square().mean()
        return penalty

    def metric(self) -> Surprise:
        """An empty sum."""
        return Surprise(self.process.device)

    def count(self, metric: Surprise, output: LanguageOutput, labels: Tensor) -> None:
        """Adds the words of a segment."""
        metric.update(labels, output.logits)

    def watch(self, metric: Surprise, output: LanguageOutput, labels: Tensor) -> None:
        """Adds every fourth word of each column: a vocabulary is wide."""
        metric.update(labels[::4], output.logits[::4])

    def figures(self, metric: Surprise) -> dict[str, float]:
        """`perplexity`: e to the mean nats of a word; NaN without words.

        It is infinite past 1e308, and where the network's output was not finite, so that such a
        network ranks last.
        """
        nats, words = metric.counts.tolist()
        if not words:
            return {"perplexity": float("nan")}
        mean = nats / words
        return {"perplexity": math.exp(mean) if mean <= 709 else float("inf")}
