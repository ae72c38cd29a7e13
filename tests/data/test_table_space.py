"""The part of a space that a table has."""

import random
from pathlib import Path

import numpy as np

from tests.data.small_tables import ROWS, nasbench, small


def test_a_part_of_a_space_is_searched_within_the_table(
    shared_data: Path, repository: Path
) -> None:
    nasbench101 = nasbench(shared_data, repository, "nasbench101")
    space, whole = nasbench101.space, nasbench101.whole
    assert space.size() == 30_001
    assert (space.name, space.heads, space.choices) == (whole.name, whole.heads, whole.choices)
    rng = random.Random(0)
    parents = [space.sample(rng) for _ in range(40)]
    mutants = [space.mutate(parent, rng) for parent in parents]
    children = [space.crossover(a, b, rng) for a, b in zip(parents, mutants, strict=True)]
    for proposed in (*parents, *mutants, *children):
        nasbench101.value(proposed, "val")
        assert space.architecture(proposed.picks) == proposed
    for parent, mutant in zip(parents, mutants, strict=True):
        assert whole.canonical(parent) != whole.canonical(mutant)
    near = [
        sum(p != q for p, q in zip(a.picks, b.picks, strict=True))
        for a, b in zip(parents, mutants, strict=True)
    ]
    assert np.median(near) <= 3
    walker = parents[0]
    walked_to = {(walker := space.mutate(walker, rng)).picks for _ in range(100)}
    assert len(walked_to) > 80  # no island of a few neighbours
    walked: list[int] = []
    for _ in space.choices:
        allowed = [option for option, legal in enumerate(space.allowed(walked)) if legal]
        walked.append(rng.choice(allowed))
    assert space.architecture(walked) in nasbench101.architectures()


def test_the_part_of_a_small_space_by_enumeration(tmp_path: Path) -> None:
    """Two choices of three; the table has the five rows whose options do not sum up to 2."""
    every = [(a, b) for a in range(3) for b in range(3)]
    inside = [pair for pair in every if sum(pair) != 2 and pair != (2, 2)]
    rows = [{**ROWS[0], "depth": a, "kind": b} for a, b in inside]
    scale = {"choices": {"depth": [0, 1, 2], "kind": [0, 1, 2]}}
    space = small(tmp_path, rows, scale=scale).space
    assert space.size() == len(inside) == 5
    for a in range(3):
        assert space.allowed([a]) == [(a, b) in inside for b in range(3)]
    rng = random.Random(0)
    assert {space.sample(rng).picks for _ in range(100)} == set(inside)
    for pair in inside:
        cell = space.architecture(pair)
        mutants = {space.mutate(cell, rng).picks for _ in range(100)}
        distances = {other: sum(p != q for p, q in zip(pair, other)) for other in inside}  # noqa: B905
        assert mutants == {other for other, distance in distances.items() if distance == 1}
        for other in inside:
            child = space.crossover(cell, space.architecture(other), rng)
            assert all(p in both for p, *both in zip(child.picks, pair, other, strict=True))
    for _ in range(50):
        scores = {key: [rng.random() for _ in range(3)] for key in ("depth", "kind")}
        best = max(inside, key=lambda p: scores["depth"][p[0]] + scores["kind"][p[1]])
        assert space.derive(scores).picks == best


def test_the_nearest_row_where_no_mutant_is_in_the_table(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "depth": d, "kind": k} for d, k in ((0, 0), (1, 1), (2, 2))]
    space = small(tmp_path, rows).space
    start = space.read(["0", "0"])
    rng = random.Random(0)
    others = {tuple(space.write(space.mutate(start, rng))) for _ in range(50)}
    assert others == {("1", "1"), ("2", "2")}
