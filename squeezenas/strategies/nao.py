"""Neural Architecture Optimization (NAO, arXiv:1808.07233).

An autoencoder embeds architectures, and their merit is predicted from the embedding. The best ones
climb that prediction by gradient ascent and are decoded into new ones (algorithm 1).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Hashable
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from squeezenas.core.architecture import Architecture
from squeezenas.core.config import Fraction, Positive, Strict
from squeezenas.core.space import SearchSpace
from squeezenas.core.trial import Proposal, Trial
from squeezenas.nn.architecture_autoencoder import ArchitectureAutoencoder, ascend
from squeezenas.strategies.ask_tell import AskTellStrategy, ask_tell_strategies

TRIES = 20  # to draw a random architecture that is new, where no decoded one is left


class NAOConfig(Strict):
    """Keys of strategy nao; defaults of the paper, for about 1,000 trials.

    A few hundred trials want smaller numbers and shorter fits, such as `initial: 30`,
    `parents: 15`, `children: 15`, `epochs: 60`, `batch: 20`, `lr: 0.005`, `trade_off: 0.5`.
    """

    initial: int = Field(600, ge=2)
    """Random architectures, after which the first model is fitted."""
    parents: Positive = 100
    """Best architectures so far, whose embeddings climb (K)."""
    children: Positive = 200
    """New architectures from one model; when as many are evaluated, the next is fitted."""
    eta: float = Field(10.0, gt=0)
    """Step along the gradient. Steps of eta, 2 eta, 3 eta, ... are taken until they lead to enough
    children."""
    steps: Positive = 10
    """How many steps are tried at most."""
    epochs: Positive = 1000
    """Epochs that a model is fitted for."""
    batch: Positive = 100
    """Evaluated architectures in a batch."""
    lr: float = Field(1e-3, gt=0)
    """Learning rate of Adam."""
    trade_off: Fraction = 0.9
    """Weight of the squared error of predictions; the decoder's loss has the rest (lambda)."""
    unlabelled: int = Field(1000, ge=0)
    """Random architectures, never evaluated, that encoder and decoder learn from as well: as many a
    batch as evaluated ones. 0: none, as in the paper, whose decoder wants hundreds of trials."""


def fit(
    model: ArchitectureAutoencoder,
    picks: Tensor,
    targets: Tensor,
    unlabelled: Tensor,
    keys: NAOConfig,
) -> None:
    """Teaches a model, in place.

    Minimises `lambda * squared error - (1 - lambda) * log-probability of the tokens` (eq. 1) with
    torch's random numbers.

    Args:
        model: with weights to begin from.
        picks: option indices of evaluated architectures, `(N, choices)`.
        targets: how well they did, in 0..1, `(N,)`.
        unlabelled: option indices of others, `(M, choices)`; M may be 0.
        keys: of the strategy.
    """
    optimiser = torch.optim.Adam(model.parameters(), keys.lr)
    for _ in range(keys.epochs):
        for batch in torch.randperm(len(picks)).split(keys.batch):
            others = torch.randint(max(1, len(unlabelled)), (min(len(batch), len(unlabelled)),))
            seen = torch.cat([picks[batch], unlabelled[others]])
            states = model.encode(seen)
            error = (model.predict(states[: len(batch)]) - targets[batch]).square().mean()
            written = model.log_prob(states, seen).mean()
            optimiser.zero_grad()
            (keys.trade_off * error - (1 - keys.trade_off) * written).backward()
            optimiser.step()


@ask_tell_strategies.register("nao")
class NAO(AskTellStrategy):
    """Random architectures, then rounds of children of the best ones.

    A round begins when enough trials have finished without failing. Its model is fitted anew, when
    it is first asked for, to the trials before the round: so a resumed search fits the model of its
    last round alone. Merits count by their rank, since a few very bad networks would leave the good
    ones all alike.
    """

    Config: ClassVar[type[Strict]] = NAOConfig

    def __init__(self, space: SearchSpace, config: Strict | None = None, seed: int = 0) -> None:
        super().__init__(space, config, seed)
        self._trials: list[tuple[Architecture, float]] = []
        self._told: set[Hashable] = set()
        self._bred: tuple[int, dict[Hashable, Architecture]] = (-1, {})

    @property
    def initial(self) -> int:
        """The architectures that the first model learns from."""
        return int(self.config.initial)

    def ask(self, number: int, pending: Collection[Architecture] = ()) -> Proposal:
        """A random architecture at first, then any child of the round that nobody has taken.

        Where none is left, it is a random one, new if such are easily found.
        """
        rng, keys = self.rng(number), self.config
        if len(self._trials) < keys.initial:
            return Proposal(self.space.sample(rng))
        start = len(self._trials) - (len(self._trials) - keys.initial) % keys.children
        if self._bred[0] != start:
            self._bred = start, self._children(start)
        taken = self._told | {self.space.canonical(architecture) for architecture in pending}
        free = [child for key, child in self._bred[1].items() if key not in taken]
        if free:
            return Proposal(rng.choice(free))
        for _ in range(TRIES):
            architecture = self.space.sample(rng)
            if self.space.canonical(architecture) not in taken:
                break
        return Proposal(architecture)

    def tell(self, trial: Trial) -> None:
        """Takes a trial; of a failed one only that it is not to be proposed again."""
        self._told.add(self.space.canonical(trial.architecture))
        if trial.merit is not None:
            self._trials.append((trial.architecture, trial.merit))

    def model(self, start: int) -> ArchitectureAutoencoder:
        """The model of the round that began when `start` trials had succeeded."""
        from scipy.stats import rankdata

        picks = torch.tensor([architecture.picks for architecture, _ in self._trials[:start]])
        ranks = rankdata([merit for _, merit in self._trials[:start]])
        targets = torch.tensor((ranks - 0.5) / start, dtype=torch.float32)
        draws = random.Random(f"{self.seed}-model-{start}")
        others = [self.space.sample(draws).picks for _ in range(self.config.unlabelled)]
        unlabelled = torch.tensor(others, dtype=torch.long).reshape(-1, len(self.space.choices))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draws.getrandbits(63))
            model = ArchitectureAutoencoder(self.space.choices)
            fit(model, picks, targets, unlabelled, self.config)
        return model

    def _children(self, start: int) -> dict[Hashable, Architecture]:
        """The most promising architectures that the best so far climb to, by canonical form."""
        model, keys = self.model(start), self.config
        best = sorted(self._trials[:start], key=lambda trial: -trial[1])
        parents = list(dict.fromkeys(architecture for architecture, _ in best))[: keys.parents]
        begin = torch.tensor([parent.picks for parent in parents])
        known = {self.space.canonical(architecture) for architecture, _ in best}
        children: dict[Hashable, Architecture] = {}
        for step in range(1, keys.steps + 1):
            for picks in ascend(model, begin, keys.eta * step, self.space.allowed).tolist():
                child = self.space.architecture(picks)
                if self.space.canonical(child) not in known:
                    children.setdefault(self.space.canonical(child), child)
            if len(children) >= keys.children:
                break
        if not children:
            return {}
        with torch.no_grad():
            picks = torch.tensor([child.picks for child in children.values()])
            merits = model.predict(model.encode(picks))
        order = merits.argsort(descending=True, stable=True).tolist()
        bred = list(children.items())
        return dict(bred[i] for i in order[: keys.children])
