"""PNAS: Progressive Neural Architecture Search (arXiv:1712.00559, algorithm 1).

From simple to complex: all cells of one block are evaluated, a predictor learns from them and ranks
every cell with one block more, the best K are evaluated, and so on. Every space has blocks here:
the choices whose keys agree up to the last `.` or `<` (`block2.input1`, `block2.op1`). What is not
grown yet is the space's skip where it has one, or else the first option that is allowed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Hashable, Sequence
from itertools import groupby, islice
from math import prod
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.predictors.predictor import make_predictor
from squeezenas.strategies.ask_tell import REDRAW, AskTellStrategy, ask_tell_strategies

TRIES = 50  # to draw an architecture that was not evaluated yet
BATCH = 32  # trials a step of a predictor

Picks = tuple[int, ...]
Draw = Callable[[random.Random], Picks]


class PNASConfig(Strict):
    """Keys of strategy pnas."""

    beam: Positive = 256
    """Architectures that are evaluated at a level, and all expanded at the next (K). A level is a
    block, so a search takes about blocks times K trials; 20 to 50 suit a few hundred."""
    predictor: Literal["mlp", "rnn"] = "mlp"
    """What ranks: an MLP, where blocks are alike on their mean, or an LSTM over the options."""
    members: int = Field(5, ge=1, le=100)
    """Predictors in an ensemble, each of which learns on all but one part of the trials."""
    epochs: Positive = 50
    """Passes of each predictor over the trials."""
    expansions: int = Field(20_000, ge=1)
    """Most architectures that are ranked at a level; where there are more, as many are drawn."""


class Candidate(NamedTuple):
    """An architecture that a level may propose.

    Args:
        network: what it is (`SearchSpace.canonical`).
        architecture: complete.
        grown: how many of its picks are grown.
    """

    network: Hashable
    architecture: Architecture
    grown: int


@ask_tell_strategies.register("pnas")
class PNAS(AskTellStrategy):
    """Levels of growing architectures; a level ends when K of it are told.

    Behind the last level come rounds as large: the K best are mutated and the mutants ranked. The
    order is random at the first level, and as long as there are too few trials to learn from.
    """

    Config: ClassVar[type[Strict]] = PNASConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._sizes = block_sizes(space)
        self._history: list[tuple[Architecture, float]] = []  # architectures as far as grown
        self._told: set[Hashable] = set()
        self._level = 0  # blocks that are grown; more behind the last
        self._members: list[Picks] = [()]  # of this level, as far as grown
        self._ranking: list[Candidate] | None
        self._next_level()
        self._first = min(self.config.beam, len(self._candidates))

    @property
    def initial(self) -> int:
        """The trials of the first level."""
        return self._first

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """The best predicted of the level that was not evaluated yet.

        While the last of K are evaluated elsewhere, the ranking goes on below them. Where the
        search finds a proposal too dear and asks again, others come from further down the ranking,
        in steps that double.
        """
        if self._ranking is None:
            self._ranking = self._ranked()
        taken = self._told | {self.space.canonical(architecture) for architecture in pending}
        left = (candidate for candidate in self._ranking if candidate.network not in taken)
        candidate = next(islice(left, 2 ** (number // REDRAW) - 1, None), None)
        if candidate is not None:
            notes = {"level": self._level, "grown": candidate.grown}
            return Proposal(candidate.architecture, notes)
        rng = self.rng(number)
        for _ in range(TRIES):  # nothing is left that this level could add
            architecture = self.space.sample(rng)
            if self.space.canonical(architecture) not in taken:
                break
        return Proposal(architecture)

    def tell(self, trial: Trial) -> None:
        """Takes a trial; the last one of a level expands it.

        One that stands in for a proposal, without its notes, counts as one of the level but does
        not grow.
        """
        self._told.add(self.space.canonical(trial.architecture))
        grown = trial.architecture.picks[: trial.notes.get("grown")]
        if trial.merit is not None:
            self._history.append((Architecture(self.space.name, grown), trial.merit))
        if trial.notes.get("level", self._level) != self._level:
            return
        self._finished += 1
        if trial.merit is not None and trial.notes:
            self._members.append(grown)
        if self._finished >= min(self.config.beam, len(self._candidates)):
            self._next_level()

    def _next_level(self) -> None:
        """Begins the next level that has something new; its ranking waits until it is asked for."""
        beam, self._members, self._finished = self._members, [], 0
        while True:
            self._level += 1
            rng = random.Random(f"{self.seed}-level{self._level}")
            if self._level <= len(self._sizes):
                grown = self._expanded(beam, rng)
            else:
                grown = self._mutants(rng)
            self._candidates = self._new(grown)
            if self._candidates or self._level > len(self._sizes):
                break
        rng.shuffle(self._candidates)
        self._known = len(self._history)
        self._ranking = None

    def _new(self, grown: Collection[Picks]) -> list[Candidate]:
        """What is not evaluated yet, each network once."""
        found: dict[Hashable, Candidate] = {}
        for picks in grown:
            architecture = self.space.architecture(completed(self.space, picks))
            network = self.space.canonical(architecture)
            if network not in self._told:
                found.setdefault(network, Candidate(network, architecture, len(picks)))
        return list(found.values())

    def _expanded(self, beam: Sequence[Picks], rng: random.Random) -> Collection[Picks]:
        """The members of the level before, each with every form of one block more."""
        end = sum(self._sizes[: self._level])
        start, limit = end - self._sizes[self._level - 1], self.config.expansions
        # A level that failed as a whole has no members: then any beginning will do.
        stems = beam or [self.space.sample(rng).picks[:start]]
        forms = prod(len(choice.options) for choice in self.space.choices[start:end])
        if len(stems) * forms <= limit:
            return [picks for stem in stems for picks in self.space.every(stem, end)]

        def draw(rng: random.Random) -> Picks:
            picks = rng.choice(stems)
            while len(picks) < end:
                allowed = self.space.allowed(picks)
                picks = (*picks, rng.choice([o for o, fine in enumerate(allowed) if fine]))
            return picks

        return distinct(draw, limit, rng)

    def _mutants(self, rng: random.Random) -> Collection[Picks]:
        """Mutants of the best architectures so far, complete ones."""
        best = sorted(self._history, key=lambda entry: -entry[1])[: self.config.beam]
        parents = [
            self.space.architecture(completed(self.space, architecture.picks))
            for architecture, _ in best
        ] or [self.space.sample(rng)]
        ways = sum(len(choice.options) - 1 for choice in self.space.choices)
        limit = min(self.config.expansions, 2 * ways * len(parents))
        return distinct(lambda r: self.space.mutate(r.choice(parents), r).picks, limit, rng)

    def _ranked(self) -> list[Candidate]:
        """The candidates in order of prediction; as they are where too little is known."""
        config, known = self.config, self._history[: self._known]
        if len(known) < 2 * config.members:
            return self._candidates
        keys = {"members": config.members, "epochs": config.epochs, "batch_size": BATCH}
        if config.predictor == "mlp" and len(set(self._sizes)) == 1 < self._sizes[0]:
            keys["block"] = self._sizes[0]
        seed = random.Random(f"{self.seed}-model-{self._level}").getrandbits(32)
        predictor = make_predictor(config.predictor, keys, self.space, seed)
        predictor.fit([architecture for architecture, _ in known], [merit for _, merit in known])
        values = predictor.predict(
            [
                Architecture(self.space.name, candidate.architecture.picks[: candidate.grown])
                for candidate in self._candidates
            ]
        )
        return [self._candidates[index] for index in (-values).argsort(kind="stable")]


def block_sizes(space: SearchSpace) -> list[int]:
    """How many choices each block of a space has."""
    names = (re.sub(r"[.<][^.<]*$", "", choice.key) for choice in space.choices)
    return [len(list(block)) for _, block in groupby(names)]


def completed(space: SearchSpace, picks: Picks) -> Picks:
    """A legal architecture that begins with these picks and goes on as plainly as possible."""
    for choice in space.choices[len(picks) :]:
        allowed = space.allowed(picks)
        plain = choice.options.index(space.skip) if space.skip in choice.options else 0
        picks = (*picks, plain if allowed[plain] else allowed.index(True))
    return picks


def distinct(draw: Draw, most: int, rng: random.Random) -> Collection[Picks]:
    """What so many draws give, each once, in order."""
    return dict.fromkeys(draw(rng) for _ in range(most))
