"""DARTS: Differentiable Architecture Search (arXiv:1806.09055), of first and second order.

Every option runs, weighted by the softmax of the architecture parameters. The second order
differentiates the held-out loss after a weight step that the parameters influence; here that step
is the one the weights' own optimiser would take, with its momentum and weight decay.

Understanding and Robustifying DARTS (arXiv:1909.09656): sharp minima of the architecture's loss
foretell bad networks. Their largest curvature can be measured, and end the search.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from squeezenas.core.space import SearchSpace
from squeezenas.core.strategy_config import Strategy
from squeezenas.nn.path import Path
from squeezenas.strategies.base import Metrics, SearchStep, strategies
from squeezenas.strategies.curvature import directional_derivative, largest_eigenvalue, moved
from squeezenas.strategies.softmax import SoftmaxStrategy

SPREAD = 1e-3  # standard deviation of the first architecture parameters
WINDOW = 5  # measurements in a mean eigenvalue (arXiv:1909.09656, section 4.3)


@strategies.register("darts")
class Darts(SoftmaxStrategy):
    """Architecture parameters relaxed to a softmax, the same for all images."""

    def __init__(self, space: SearchSpace, config: Strategy, seed: int, device: Any) -> None:
        super().__init__(space, config, seed, device)
        self.hard = False
        self.needs_weights = config.darts.order == 2
        self._set_logits(
            {
                key: SPREAD * torch.randn(len(logits), generator=self._noise)
                for key, logits in self.logits.items()
            }
        )
        self._epochs = 0
        self._measured: list[tuple[float, dict[str, Tensor]]] = []

    def anneal(self, progress: float) -> None:
        """Nothing: the softmax has no temperature."""

    def propose(self, batch_size: int) -> Path:
        """The softmax of each choice, `(options, 1)` (eq. 2)."""
        return Path({key: row[:, None] for key, row in self._softmax().items()})

    def learn(self, step: SearchStep) -> Metrics | None:
        """One step on the penalised held-out loss, at the weights or one step ahead of them."""
        with torch.no_grad():
            cost = float(step.expected_cost(self._softmax()))
        second = self.config.darts.order == 2
        gradients = self._second_order(step) if second else self._first_order(step)
        if gradients is None:
            return None
        self._descend(gradients)
        return {"architecture/expected_cost": cost}

    def _first_order(self, step: SearchStep) -> list[Tensor] | None:
        """The gradient where the weights now stand (eq. 7 with a rate of 0)."""
        loss, _ = self._penalised(step, self.propose(step.batch_size))
        return step.gradients(loss, list(self.logits.values()))

    def _second_order(self, step: SearchStep) -> list[Tensor] | None:
        """The gradient through one weight step `w' = w - update(w, a)` (eq. 7).

        `d/da L_val(w', a) - rate * d/da (d/dw L_train(w, a) . v)` with `v = d/dw' L_val(w', a)`; of
        the update only `rate * d/dw L_train` depends on `a`, its momentum and decay do not; by how
        much the gradient is clipped counts as fixed.
        """
        parameters = list(self.logits.values())

        def training_gradients() -> list[Tensor] | None:
            loss = step.training_loss(self.propose(step.batch_size))
            return step.gradients(loss, parameters)

        with step.untouched():
            loss = step.training_loss(self.propose(step.batch_size).detach())
            slope = step.gradients(loss, step.weights)
            if slope is None:
                return None
            update, rate = step.virtual_update(slope)
            with moved(step.weights, update, -1.0):
                loss, _ = self._penalised(step, self.propose(step.batch_size))
                ahead = step.gradients(loss, [*parameters, *step.weights])
            if ahead is None:
                return None
            direct, along = ahead[: len(parameters)], ahead[len(parameters) :]
            mixed = directional_derivative(training_gradients, step.weights, along)
        if mixed is None:
            return None
        return [own - rate * through for own, through in zip(direct, mixed, strict=True)]

    def end_epoch(self, step: SearchStep) -> Metrics:
        """Measures the largest eigenvalue of the held-out loss's Hessian, and may end the search.

        When curvature rises the parameters go back to where they were before: to the middle of the
        earlier window.
        """
        self._epochs += 1
        config = self.config.darts
        if not config.eigenvalue_every or self._epochs % config.eigenvalue_every:
            return {}
        parameters = list(self.logits.values())
        with step.untouched():
            eigenvalue = largest_eigenvalue(
                lambda: step.gradients(step.loss(self.propose(step.batch_size)), parameters),
                parameters,
                config.iterations,
                self.seed,
            )
        if eigenvalue is None:
            return {}
        logits = {key: row.detach().cpu().clone() for key, row in self.logits.items()}
        self._measured = [*self._measured, (eigenvalue, logits)][-2 * WINDOW :]
        if self._sharper():
            self._set_logits(self._measured[WINDOW // 2][1])
            self.finished = True
        return {"architecture/eigenvalue": eigenvalue}

    def _sharper(self) -> bool:
        """Whether one window's mean is below `stop_ratio` of the next one's."""
        ratio = self.config.darts.stop_ratio
        if not ratio or len(self._measured) < 2 * WINDOW:
            return False
        values = [eigenvalue for eigenvalue, _ in self._measured]
        return fmean(values[:WINDOW]) < ratio * fmean(values[WINDOW:])

    def state_dict(self) -> dict[str, Any]:
        """Parameters and optimiser, and what was measured of late."""
        return super().state_dict() | {
            "epochs": self._epochs,
            "measured": list(self._measured),
            "finished": self.finished,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        super().load_state_dict(state)
        self._epochs, self.finished = state["epochs"], state["finished"]
        self._measured = list(state["measured"])
