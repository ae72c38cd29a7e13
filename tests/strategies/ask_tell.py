"""Small spaces for ask/tell strategies, and a search without an evaluator."""

import random

from squeezenas.core.trial import Trial
from squeezenas.data.table_space import TableSpace
from squeezenas.spaces.darts_cell import DARTSCell
from tests.strategies.toy import Toy, TwoOfFour


def chain(space, architecture):
    """A graph with one node a choice."""
    operations = ["input", *space.write(architecture), "output"]
    size = range(len(operations))
    return [[int(b == a + 1) for b in size] for a in size], operations


class ToyChain(Toy):
    """Independent choices."""

    def graph(self, architecture):
        return chain(self, architecture)


class ConstrainedChain(TwoOfFour):
    """Exactly two of four choices are not nothing."""

    def graph(self, architecture):
        return chain(self, architecture)


def half_of_a_table():
    """Every other architecture of a space, as if the rest had not been measured."""
    whole = ToyChain(3, 4, 2)
    rows = [whole.architecture((a, b, (a + b) % 2)) for a in range(3) for b in range(4)]
    return TableSpace(whole, rows, lambda architecture: architecture in rows)


SPACES = {
    "independent": lambda: ToyChain(3, 2, 4),
    "single_option": lambda: ToyChain(1, 3, 3),
    "constrained": ConstrainedChain,
    "table": half_of_a_table,
    "darts_cell": DARTSCell,
}


def planted(space, seed=0):
    """A merit for each architecture, a sum over its choices, and a cost that disagrees with it."""
    rng = random.Random(seed)
    rows = [[rng.random() for _ in choice.options] for choice in space.choices]

    def merit(architecture):
        return sum(row[pick] for row, pick in zip(rows, architecture.picks, strict=True))

    def cost(architecture):
        return 1.0 + sum(pick for pick in architecture.picks)

    return merit, cost


def searched(strategy, merit, trials, cost=lambda architecture: None):
    """The trials of one process that never fails."""
    told = []
    for number in range(trials):
        proposal = strategy.ask(number)
        architecture = proposal.architecture
        told.append(
            Trial(number, architecture, merit(architecture), cost(architecture), proposal.notes)
        )
        strategy.tell(told[-1])
    return told
