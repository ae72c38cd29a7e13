"""How the cost of a path enters the loss of an architecture step."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from squeezenas.core.search_config import Cost

THOUSANDTHS = 1e3  # FBNet's logarithm wants costs well above 1: MMACs, microseconds, thousands
AHEAD = 60  # steps; plain dual ascent overshoots by a quarter and swings without end


class Penalty:
    """The loss that pays for cost. Only `target` has a state: its multiplier and the last excess.

    Args:
        config: the regime's group `cost`.
    """

    def __init__(self, config: Cost) -> None:
        self.config = config
        self.multiplier = config.multiplier
        self._excess: float | None = None

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
        """Dual ascent of `target`, damped: the multiplier follows the excess that is coming.

        `m <- max(0, m + rate (e + 60 (e - e_last)))` with `e = cost / target - 1`: while the cost
        is on its way to the target the multiplier stops growing. This is a proportional and
        integral control of the constraint, arXiv:2007.03964.
        """
        if self.config.penalty != "target":
            return
        excess = cost / self.config.target - 1
        trend = 0.0 if self._excess is None else excess - self._excess
        self.multiplier = max(0.0, self.multiplier + self.config.rate * (excess + AHEAD * trend))
        self._excess = excess

    def state_dict(self) -> dict[str, Any]:
        """What a resumed search needs."""
        return {"multiplier": self.multiplier, "excess": self._excess}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.multiplier, self._excess = state["multiplier"], state["excess"]
