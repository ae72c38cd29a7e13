import random
from collections import Counter

import pytest

from squeezenas.core.architecture import Architecture, Choice
from squeezenas.core.space import SearchSpace


class Toy(SearchSpace):
    """Three choices, one of them without an alternative."""

    name = "toy"
    choices = (Choice("a", ("x", "y", "z")), Choice("b", ("only",)), Choice("c", ("p", "q")))

    def supernet(self, classes, head, memory="full"):
        raise AssertionError

    network = inherit = candidate = candidate_input = graph = supernet


@pytest.fixture
def toy():
    return Toy()


def test_text_both_ways(toy):
    architecture = toy.read(["z", "only", "p"])
    assert architecture == Architecture("toy", (2, 0, 0))
    assert toy.write(architecture) == ["z", "only", "p"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["x", "only"], "3 choices, got 2"), (["x", "onlly", "p"], "b: unknown option.*'only'")],
)
def test_bad_text(toy, texts, message):
    with pytest.raises(ValueError, match=message):
        toy.read(texts)


@pytest.mark.parametrize(
    ("picks", "message"), [([0, 0], "got 2 picks"), ([3, 0, 0], r"a: option 3 .* 0\.\.2")]
)
def test_bad_picks(toy, picks, message):
    with pytest.raises(ValueError, match=message):
        toy.architecture(picks)


def test_samples_are_uniform(toy):
    rng = random.Random(0)
    drawn = Counter(toy.sample(rng).picks for _ in range(6000))
    assert len(drawn) == 6
    assert all(abs(count - 1000) < 5 * (1000 * 5 / 6) ** 0.5 for count in drawn.values())


def test_a_mutation_changes_one_choice_that_can_change(toy):
    rng = random.Random(0)
    start = toy.read(["x", "only", "p"])
    mutants = {toy.mutate(start, rng).picks for _ in range(200)}
    assert mutants == {(1, 0, 0), (2, 0, 0), (0, 0, 1)}


def test_crossover_takes_from_both_parents_only(toy):
    rng = random.Random(0)
    parents = toy.read(["x", "only", "p"]), toy.read(["z", "only", "q"])
    children = {toy.crossover(*parents, rng).picks for _ in range(200)}
    assert children == {(0, 0, 0), (0, 0, 1), (2, 0, 0), (2, 0, 1)}


def test_derive_takes_the_best_option(toy):
    assert toy.derive({"a": [0, 3, 1], "b": [-1], "c": [2, 1]}).picks == (1, 0, 0)
