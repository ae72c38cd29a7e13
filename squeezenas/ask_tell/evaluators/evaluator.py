"""What an evaluator is: it prices and scores architectures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from squeezenas.core.architecture import Architecture
from squeezenas.core.figures import Figure
from squeezenas.core.space import SearchSpace


@dataclass(frozen=True)
class Evaluation:
    """How an architecture did.

    Args:
        value: of the figure that ranks.
        seconds: what the evaluation took, or takes by the table.
        figures: whatever else was measured.
    """

    value: float
    seconds: float
    figures: Mapping[str, float] = field(default_factory=dict)


class Evaluator(ABC):
    """Scores architectures of a space.

    Attributes:
        space: what it can score.
        figure: what it ranks by.
        headline: the short name of that figure, such as `miou`.
        unit: of costs; empty where nothing is priced.
        costs: what could be priced, by name.
        fingerprint: of the weights that it scores with.
        weights: what networks are scored with, for pictures.
    """

    space: SearchSpace
    figure: Figure
    headline: str
    unit: str = ""
    costs: tuple[str, ...] = ()
    fingerprint: str = ""
    weights: str = "by the table"

    def cost(self, architecture: Architecture) -> float | None:
        """What the network costs, known without evaluating it; None where nothing is priced."""
        return None

    @property
    def target(self) -> float | None:
        """What a network may cost if nobody says otherwise; None: anything."""
        return None

    def report(self, architecture: Architecture) -> float | None:
        """The figure on samples that no search has seen, of the chosen one; None: there are none,
        or every evaluation reports by itself.
        """
        return None

    @abstractmethod
    def evaluate(self, architecture: Architecture, seed: int) -> Evaluation:
        """Scores one architecture.

        Args:
            architecture: of the space.
            seed: of what is random in it, such as a training.

        Raises:
            Exception: whatever goes wrong; the search records it and goes on.
        """
