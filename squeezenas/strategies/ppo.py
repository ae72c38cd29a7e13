"""NASNet's controller: Learning Transferable Architectures (arXiv:1707.07012, appendix A).

As `reinforce`, but for a wider LSTM and Proximal Policy Optimization (arXiv:1707.06347): several
steps on a batch, none of which gains by moving a probability further than the clipping range.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from squeezenas.core.config import Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.nn.rollout import Rollout
from squeezenas.strategies.ask_tell import ask_tell_strategies
from squeezenas.strategies.reinforce import Reinforce, ReinforceConfig


class PPOConfig(ReinforceConfig):
    """Keys of strategy ppo; defaults of NASNet where it gives them.

    They are made for thousands of trials. With a few hundred, larger steps are needed, such as
    `lr: 0.003`.
    """

    layers: Positive = 1
    """Layers of the controller's LSTM."""
    units: Positive = 100
    """Hidden units of a layer."""
    spread: float = Field(0.1, gt=0)
    """The controller's weights begin uniform within plus and minus this."""
    lr: float = Field(3.5e-4, gt=0)
    """Learning rate of Adam."""
    batch: Positive = 20
    """Finished trials that make one update of the controller."""
    entropy: float = Field(1e-5, ge=0)
    """Weight of the entropy of the sampled decisions."""
    clip: float = Field(0.2, gt=0, lt=1)
    """How far the probability of an architecture may move on a batch, as a share of it."""
    passes: Positive = 10
    """Steps of the controller on a batch; NASNet gives none."""


@ask_tell_strategies.register("ppo")
class PPO(Reinforce):
    """A controller taught by merits with a clipped objective."""

    Config: ClassVar[type[Strict]] = PPOConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self.passes = self.config.passes

    def loss(self, rollout: Rollout, advantages: Tensor, before: Tensor) -> Tensor:
        """What the controller descends, a scalar.

        Minus the mean of `min(r A, clip(r, 1 - c, 1 + c) A)` (arXiv:1707.06347, eq. 7) and of the
        weighted entropy, r being how much more probable the architecture is than when proposed.

        Args:
            rollout: the architectures of a batch under the controller as it is.
            advantages: A, merit minus baseline, `(architectures,)`.
            before: log-probabilities when they were proposed, `(architectures,)`.
        """
        ratio, clip = (rollout.log_prob() - before).exp(), self.config.clip
        clipped = ratio.clamp(1 - clip, 1 + clip)
        gain = torch.minimum(ratio * advantages, clipped * advantages)
        return -(gain + self.config.entropy * rollout.entropy()).mean()
