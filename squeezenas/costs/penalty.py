"""How the cost of a path enters the loss of an architecture step."""

from __future__ import annotations

from torch import Tensor

from squeezenas.core.config import Cost

THOUSANDTHS = 1e3  # FBNet's logarithm wants costs well above 1: MMACs, microseconds, thousands


class Penalty:
    """The loss that pays for cost. Only `target` has a state: its multiplier.

    Args:
        config: the regime's group `cost`.
    """

    def __init__(self, config: Cost) -> None:
        self.config = config
        self.multiplier = config.multiplier

    def __call__(self, loss: Tensor, path_cost: Tensor, cost: Tensor) -> Tensor:
        """The penalised loss, a float32 scalar.

        Args:
            loss: task loss.
            path_cost: mean cost of the sampled path, in the unit of the target.
            cost: expected cost of a network drawn from the distribution, in the same unit.

        Returns:
            target: `loss + m (cost / target - 1)`, the Lagrangian of the constraint; additive:
            `loss + m cost` (arXiv:1908.01748); fbnet: `loss a log(cost)^b` (arXiv:1812.03443,
            eq. 2); mnasnet: `loss (cost / target)^w` (arXiv:1807.11626, eq. 2).
        """
        config = self.config
        match config.penalty:
            case "target":
                return loss + self.multiplier * (cost / config.target - 1)
            case "additive":
                return loss + config.multiplier * path_cost
            case "fbnet":
                return loss * config.alpha * (path_cost * THOUSANDTHS).log() ** config.beta
            case "mnasnet":
                return loss * (path_cost / config.target) ** config.exponent

    def adapt(self, cost: float) -> None:
        """Dual ascent of `target`: the multiplier grows while `cost` is above it, and falls below."""
        if self.config.penalty == "target":
            excess = cost / self.config.target - 1
            self.multiplier = max(0.0, self.multiplier + self.config.rate * excess)
