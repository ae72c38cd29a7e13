"""The search space: what is legal, how to walk it, and how to build networks of it."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.registry import Registry, nearest

if TYPE_CHECKING:
    from torch import nn


class SearchSpace(ABC):
    """Owns what is legal. Subclasses give `name`, `choices` and the networks.

    `sample`, `mutate` and `crossover` treat choices as independent; spaces with constraints between
    choices override them.
    """

    name: ClassVar[str]
    choices: tuple[Choice, ...]

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

    def derive(self, scores: Mapping[str, Sequence[float]]) -> Architecture:
        """The architecture of the highest score of each choice; `scores[key]` has one a option."""
        picks = []
        for choice in self.choices:
            row = list(scores[choice.key])
            picks.append(row.index(max(row)))
        return self.architecture(picks)

    @abstractmethod
    def supernet(self, classes: int, head: str, memory: str = "full") -> nn.Module:
        """A network with every option of every choice; `forward(images, path)`."""

    @abstractmethod
    def network(self, architecture: Architecture, classes: int, head: str) -> nn.Module:
        """The stand-alone network of one architecture; `forward(images)`.

        The head is one for segmentation, or `classifier`; only names within `head.` depend on it.
        """

    @abstractmethod
    def inherit(self, supernet: nn.Module, network: nn.Module, architecture: Architecture) -> None:
        """Copies the weights a supernet has for the architecture into its network, in place."""

    @abstractmethod
    def candidate(self, key: str, option: str) -> nn.Module:
        """A new module of one option of one choice, for costs: `forward(x) -> x'`."""

    @abstractmethod
    def candidate_input(self, key: str, height: int, width: int) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of what choice `key` reads when the image has this height and width."""

    @abstractmethod
    def graph(self, architecture: Architecture) -> tuple[list[list[int]], list[str]]:
        """`(adjacency, operations)`: what predictors and pictures read."""


spaces: Registry[type[SearchSpace]] = Registry("space", "squeezenas.spaces")
