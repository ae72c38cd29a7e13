"""Toy spaces and a toy supernet in float64."""

import itertools

import torch
from torch import nn

from squeezenas.core.architecture import Choice
from squeezenas.core.space import SearchSpace


class Mixture(nn.Module):
    """A row of mixed layers with batch norms: `(N, 4)` to logits `(N, classes)`."""

    def __init__(self, choices, classes):
        super().__init__()
        self.keys = [choice.key for choice in choices]
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Linear(4, 4) for _ in choice.options) for choice in choices
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(4) for _ in choices)
        self.head = nn.Linear(4, classes)
        self.double()

    def forward(self, x, path):
        for key, layers, norm in zip(self.keys, self.layers, self.norms, strict=True):
            mixed = [w * torch.tanh(m(x)) for m, w in zip(layers, path[key], strict=True)]
            x = norm(torch.stack(mixed).sum(0))
        return self.head(x)


class Toy(SearchSpace):
    """Choices of the given numbers of options; those of as many have the same names."""

    name = "toy_choices"
    heads = ("classifier",)
    skip = "option1"

    def __init__(self, *sizes):
        super().__init__()
        self.choices = tuple(
            Choice(f"choice{number}", tuple(f"option{o}" for o in range(size)))
            for number, size in enumerate(sizes)
        )

    def supernet(self, classes, head="classifier", memory="full"):
        return Mixture(self.choices, classes)

    def network(self, architecture, classes, head):
        return Mixture(self.choices, classes)

    def inherit(self, supernet, network, architecture):
        network.load_state_dict(supernet.state_dict())

    def graph(self, architecture):
        return [], []


class TwoOfFour(Toy):
    """Four choices of nothing, a or b; exactly two are not nothing: 6 * 2^2 architectures."""

    name = "toy_two_of_four"

    def __init__(self):
        super().__init__(3, 3, 3, 3)

    def size(self):
        return 24

    def allowed(self, picks):
        active, left = sum(pick > 0 for pick in picks), 4 - len(picks)
        return [left > 2 - active, active < 2, active < 2]

    def architecture(self, picks):
        if sum(pick > 0 for pick in picks) != 2:
            raise ValueError(f"two choices have an operation, got {picks}")
        return super().architecture(picks)

    def legal(self):
        every = itertools.product(range(3), repeat=4)
        return [self.architecture(p) for p in every if sum(pick > 0 for pick in p) == 2]

    def sample(self, rng):
        return rng.choice(self.legal())

    def mutate(self, architecture, rng):
        others = [a for a in self.legal() if a != architecture]
        return min(others, key=lambda a: (self._distance(a, architecture), rng.random()))

    def crossover(self, a, b, rng):
        between = [
            child
            for child in self.legal()
            if all(p in pair for p, *pair in zip(child.picks, a.picks, b.picks, strict=True))
        ]
        return rng.choice(between)

    def derive(self, scores):
        rows = [list(scores[choice.key]) for choice in self.choices]
        kept = sorted(range(4), key=lambda i: -max(rows[i][1:]))[:2]
        picks = [1 + (rows[i][2] > rows[i][1]) if i in kept else 0 for i in range(4)]
        return self.architecture(picks)

    @staticmethod
    def _distance(a, b):
        return sum(p != q for p, q in zip(a.picks, b.picks, strict=True))


def enumerated(space):
    """All architectures of a small space."""
    if isinstance(space, TwoOfFour):
        return space.legal()
    every = itertools.product(*(range(len(choice.options)) for choice in space.choices))
    return [space.architecture(picks) for picks in every]
