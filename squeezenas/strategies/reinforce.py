"""Neural Architecture Search with Reinforcement Learning (arXiv:1611.01578).

A controller writes architectures token by token and is taught by REINFORCE from the merits of a
batch of them. The paper's reward is the cube of an accuracy; here it is the merit as it is, which
may be any figure. MnasNet's reward, accuracy times (cost / target)^w (arXiv:1807.11626), is the
objective's kind `penalty`, with this strategy or `ppo`, which MnasNet takes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.nn.rollout import Decide, Rollout, drawn, following
from squeezenas.nn.token_controller import TokenController
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies


class ReinforceConfig(Strict):
    """Keys of strategy reinforce; defaults of the paper's section 4.1.

    They are made for thousands of trials. With a few hundred, larger steps are needed, such as
    `lr: 0.01` and `batch: 4`.
    """

    layers: Positive = 2
    """Layers of the controller's LSTM."""
    units: Positive = 35
    """Hidden units of a layer."""
    spread: float = Field(0.08, gt=0)
    """The controller's weights begin uniform within plus and minus this."""
    lr: float = Field(6e-4, gt=0)
    """Learning rate of Adam."""
    batch: Positive = 8
    """Finished trials that make one step of the controller (m)."""
    baseline_decay: float = Field(0.95, ge=0, lt=1)
    """Decay of the moving average of merits, trial by trial; the paper gives none."""
    entropy: float = Field(0.0, ge=0)
    """Weight of the entropy of the sampled decisions."""


class Lesson(NamedTuple):
    """What a finished trial teaches.

    Args:
        architecture: what was evaluated.
        advantage: its merit minus the baseline.
        log_prob: its log-probability when it was proposed; None where it was not drawn.
    """

    architecture: Architecture
    advantage: float
    log_prob: float | None


@ask_tell_strategies.register("reinforce")
class Reinforce(AskTellStrategy):
    """A controller taught by merits, a batch of finished trials at a time.

    Trials count in the order in which they are told, whoever proposed them; with many processes
    some were drawn a few steps of the controller earlier, and controllers differ a little. Failed
    trials teach nothing.
    """

    Config: ClassVar[type[Strict]] = ReinforceConfig
    passes: int = 1
    """Steps of the controller on a batch."""

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        keys = self.config
        weights = torch.Generator().manual_seed(seed)
        self.controller = TokenController(
            space.choices, keys.units, keys.layers, keys.spread, weights
        )
        self._optimiser = torch.optim.Adam(self.controller.parameters(), keys.lr)
        self._baseline: float | None = None
        self._lessons: list[Lesson] = []

    @property
    def initial(self) -> int:
        """The first batch."""
        return int(self.config.batch)

    @torch.no_grad()
    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """An architecture drawn by the controller; its log-probability goes with it."""
        draws = torch.Generator().manual_seed(self.rng(number).getrandbits(63))
        rollout = self._roll_out(1, drawn(draws))
        architecture = self.space.architecture(rollout.picks[0].tolist())
        return Proposal(architecture, {"log_prob": float(rollout.log_prob())})

    def tell(self, trial: Trial) -> None:
        """Every `batch` trials that did not fail, the controller learns."""
        if trial.merit is None:
            return
        decay = self.config.baseline_decay
        baseline = trial.merit if self._baseline is None else self._baseline
        lesson = Lesson(trial.architecture, trial.merit - baseline, trial.notes.get("log_prob"))
        self._baseline = decay * baseline + (1 - decay) * trial.merit
        self._lessons.append(lesson)
        if len(self._lessons) == self.config.batch:
            self._learn()
            self._lessons = []

    def loss(self, rollout: Rollout, advantages: Tensor, before: Tensor) -> Tensor:
        """What the controller descends, a scalar.

        Minus the mean of `(merit - baseline) log p` (section 3.2) and of the weighted entropy.

        Args:
            rollout: the architectures of a batch under the controller as it is.
            advantages: merit minus baseline, `(architectures,)`.
            before: log-probabilities when they were proposed, `(architectures,)`.
        """
        gain = advantages * rollout.log_prob()
        return -(gain + self.config.entropy * rollout.entropy()).mean()

    def log_prob(self, architecture: Architecture) -> Tensor:
        """Log-probability that the controller draws this architecture, a differentiable scalar."""
        return self._roll_out(1, following(torch.tensor([architecture.picks]))).log_prob()[0]

    def _learn(self) -> None:
        picks = torch.tensor([lesson.architecture.picks for lesson in self._lessons])
        advantages = torch.tensor([lesson.advantage for lesson in self._lessons])
        for step in range(self.passes):
            rollout = self._roll_out(len(picks), following(picks))
            if step == 0:
                now = rollout.log_prob().tolist()
                told = [lesson.log_prob for lesson in self._lessons]
                before = torch.tensor(
                    [p if q is None else q for p, q in zip(now, told, strict=True)]
                )
            self._optimiser.zero_grad()
            self.loss(rollout, advantages, before).backward()
            self._optimiser.step()

    def _roll_out(self, architectures: int, decide: Decide) -> Rollout:
        rollout: Rollout = self.controller(architectures, decide, self.space.allowed)
        return rollout
