"""What every registered space must do."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezenas.core.space import SearchSpace, spaces

ALL = {name: spaces[name]() for name in spaces.names()}
any_space = st.sampled_from(sorted(ALL)).map(ALL.__getitem__)
any_rng = st.integers(0, 2**32).map(random.Random)


@given(any_space, any_rng)
def test_text_both_ways(space: SearchSpace, rng: random.Random) -> None:
    architecture = space.sample(rng)
    assert space.read(space.write(architecture)) == architecture
    assert space.architecture(architecture.picks) == architecture


@given(any_space, any_rng)
def test_a_mutant_is_another_legal_architecture(space: SearchSpace, rng: random.Random) -> None:
    architecture = space.sample(rng)
    mutant = space.mutate(architecture, rng)
    assert mutant != architecture
    assert space.read(space.write(mutant)) == mutant


@given(any_space, any_rng)
def test_children_have_the_options_of_their_parents(space: SearchSpace, rng: random.Random) -> None:
    a, b = space.sample(rng), space.sample(rng)
    child = space.crossover(a, b, rng)
    assert all(pick in pair for pick, *pair in zip(child.picks, a.picks, b.picks, strict=True))
    assert space.crossover(a, a, rng) == a


@given(any_space, any_rng)
def test_derive_finds_the_favourite(space: SearchSpace, rng: random.Random) -> None:
    favourite = space.sample(rng)
    scores = {
        choice.key: [rng.random() + (option == pick) for option in range(len(choice.options))]
        for choice, pick in zip(space.choices, favourite.picks, strict=True)
    }
    assert space.derive(scores) == favourite


@given(any_space, any_rng)
def test_the_graph_is_acyclic_and_joins_input_to_output(
    space: SearchSpace, rng: random.Random
) -> None:
    adjacency, operations = space.graph(space.sample(rng))
    size = len(operations)
    assert [len(row) for row in adjacency] == [size] * size
    assert all(adjacency[a][b] == 0 for a in range(size) for b in range(a + 1))
    assert (operations[0], operations[-1]) == ("input", "output")
    assert all(any(row) for row in adjacency[:-1])  # everything leads somewhere
    assert all(any(row[node] for row in adjacency) for node in range(1, size))


@pytest.mark.parametrize("name", ALL)
def test_names_and_keys(name: str) -> None:
    space = ALL[name]
    assert space.name == name
    assert len({choice.key for choice in space.choices}) == len(space.choices)
