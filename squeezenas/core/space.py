"""The search space: what is legal, how to walk it, and how to build networks of it."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.cell_graph import CellGraph
from squeezenas.core.config import Strict
from squeezenas.core.registry import Registry, nearest
from squeezenas.core.validation import validated

if TYPE_CHECKING:
    from torch import nn


class SearchSpace(ABC):
    """Owns what is legal. Subclasses give `name`, `choices` and the networks.

    `size`, `allowed`, `sample`, `mutate`, `crossover` and `derive` treat choices as independent;
    spaces with constraints between choices override them.

    Args:
        scale: sizes of the networks; by default those of `Scale`.
    """

    name: ClassVar[str]
    heads: ClassVar[tuple[str, ...]]
    """What its networks can end in: lr_aspp, deeplabv3plus, classifier or decoder (of words)."""
    soft: ClassVar[bool] = True
    """Whether its supernet can mix options; if not, one of each choice runs."""
    skip: ClassVar[str] = "skip"
    """The option that computes nothing."""
    Scale: ClassVar[type[Strict]] = Strict
    """The sizes that are not searched, such as the number of cells and channels."""
    choices: tuple[Choice, ...]

    def __init__(self, scale: Strict | None = None) -> None:
        self.scale: Any = scale or self.Scale()

    def size(self) -> int:
        """How many architectures there are."""
        return math.prod(len(choice.options) for choice in self.choices)

    def allowed(self, picks: Sequence[int]) -> list[bool]:
        """Which options of the next choice some architecture has that begins with these picks."""
        return [True] * len(self.choices[len(picks)].options)

    def every(
        self, picks: tuple[int, ...] = (), end: int | None = None
    ) -> Iterator[tuple[int, ...]]:
        """The picks of all architectures that begin with these, up to choice `end` or whole."""
        if len(picks) == (len(self.choices) if end is None else end):
            yield picks
            return
        for option, legal in enumerate(self.allowed(picks)):
            if legal:
                yield from self.every((*picks, option), end)

    def architecture(self, picks: Sequence[int]) -> Architecture:
        """The architecture with these option indices.

        Raises:
            ValueError: wrong number of picks, or an index out of range.
        """
        if len(picks) != len(self.choices):
            raise ValueError(f"{self.name} has {len(self.choices)} choices, got {len(picks)} picks")
        for choice, pick in zip(self.choices, picks, strict=True):
            if not 0 <= pick < len(choice.options):
                raise ValueError(
                    f"{choice.key}: option {pick} is not in 0..{len(choice.options) - 1}"
                )
        return Architecture(self.name, tuple(int(pick) for pick in picks))

    def read(self, texts: Sequence[str]) -> Architecture:
        """The architecture written as one option name a choice (`["k3_e1_g1", "skip", ...]`).

        Raises:
            ValueError: wrong length or an unknown option; names the choice and the nearest option.
        """
        if len(texts) != len(self.choices):
            raise ValueError(
                f"{self.name} has {len(self.choices)} choices, got {len(texts)} options"
            )
        picks = []
        for choice, text in zip(self.choices, texts, strict=True):
            if text not in choice.options:
                hint = nearest(text, list(choice.options))
                raise ValueError(f"{choice.key}: unknown option {text!r}{hint}")
            picks.append(choice.options.index(text))
        return Architecture(self.name, tuple(picks))

    def write(self, architecture: Architecture) -> list[str]:
        """One option name a choice; the inverse of `read`."""
        return [
            choice.options[pick]
            for choice, pick in zip(self.choices, architecture.picks, strict=True)
        ]

    def sample(self, rng: random.Random) -> Architecture:
        """A uniformly drawn architecture."""
        return self.architecture([rng.randrange(len(choice.options)) for choice in self.choices])

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """The same architecture with one choice drawn anew, never the same option."""
        picks = list(architecture.picks)
        position = rng.choice([i for i, c in enumerate(self.choices) if len(c.options) > 1])
        others = [o for o in range(len(self.choices[position].options)) if o != picks[position]]
        picks[position] = rng.choice(others)
        return self.architecture(picks)

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """Each choice from one of the two parents (uniform crossover)."""
        pairs = zip(a.picks, b.picks, strict=True)
        return self.architecture([rng.choice(pair) for pair in pairs])

    def canonical(self, architecture: Architecture) -> Hashable:
        """Equal for architectures that are the same network."""
        return architecture.picks

    def derive(self, scores: Mapping[str, Sequence[float]]) -> Architecture:
        """The architecture of the highest score of each choice; `scores[key]` has one a option."""
        picks = []
        for choice in self.choices:
            row = list(scores[choice.key])
            picks.append(row.index(max(row)))
        return self.architecture(picks)

    def supernet(self, classes: int, head: str, memory: str = "full") -> nn.Module:
        """A network with every option of every choice; `forward(images, path)`.

        Raises:
            ValueError: the space has none.
        """
        raise ValueError(
            f"space {self.name} has no supernet; search it with an ask/tell strategy, such as "
            "training_regimes=search_aging_evolution"
        )

    @abstractmethod
    def network(self, architecture: Architecture, classes: int, head: str) -> nn.Module:
        """The stand-alone network of one architecture; `forward(images)`.

        The head is one for segmentation, or `classifier`; only names within `head.` depend on it.
        """

    def inheriting_network(self, architecture: Architecture, classes: int, head: str) -> nn.Module:
        """A network of the architecture that `inherit` can fill; by default `network`."""
        return self.network(architecture, classes, head)

    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        """Copies the weights a supernet has for the architecture into its network, in place.

        Raises:
            ValueError: the space has no supernet.
        """
        raise ValueError(f"space {self.name} has no supernet to inherit weights from")

    @abstractmethod
    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """`(adjacency, operations)`: what predictors read."""

    def cells(self, architecture: Architecture) -> list[CellGraph]:
        """The cells of an architecture, for pictures; none where it is a chain."""
        return []


class ChainSpace(SearchSpace):
    """A row of units, one choice each, whose costs add up to the cost of the network."""

    @abstractmethod
    def candidate(self, key: str, option: str) -> nn.Module:
        """A new module of one option of one choice, for costs: `forward(x) -> x'`."""

    @abstractmethod
    def candidate_input(self, key: str, height: int, width: int) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of what choice `key` reads when the image has this height and width."""

    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """A chain: input, units, output. What surrounds a unit is part of its operation."""
        operations = ["input", *self.write(architecture), "output"]
        size = len(operations)
        adjacency = [[int(b == a + 1) for b in range(size)] for a in range(size)]
        return adjacency, operations


def make_space(name: str, scale: Mapping[str, Any] | None = None) -> SearchSpace:
    """The space of that name with these sizes.

    Raises:
        ValueError: no such space, or sizes that it does not have.
    """
    kind = spaces[name]
    try:
        return kind(validated(kind.Scale, dict(scale or {}), lambda key: "", prefix="scale"))
    except ValueError as error:
        raise ValueError(f"space {name}: {error}") from error


spaces: Registry[type[SearchSpace]] = Registry("space", "squeezenas.spaces")
