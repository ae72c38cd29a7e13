import itertools
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from squeezenas.core.architecture import Architecture
from squeezenas.core.space import make_space
from squeezenas.nn.nasbench101_network import OPERATIONS
from squeezenas.spaces.nasbench101_graph import CELLS, random_reads
from tests.nn.trace import randomised
from tests.spaces.cell_networks import check_head_names, count

SPACE = make_space("nasbench101")
TINY = make_space("nasbench101", {"cells": 1, "channels": 5})
C3, C1, POOL = OPERATIONS
EDGES = [(target, source) for target in range(1, 7) for source in range(target)]
INCEPTION = (
    f"{C1}(0) {C3}(0) {C3}(0) {C3}(3) {POOL}(0) output(1,2,4,5)"  # of the benchmark's own README
).split()
BARE = f"{C3}() {C3}() {C3}() {C3}() {C3}() output(0)".split()
IMAGES = torch.linspace(-2, 2, 2 * 3 * 8 * 8, dtype=torch.float64).sin().view(2, 3, 8, 8)


def matrices(bits: np.ndarray) -> np.ndarray:
    """`(n, 21)` edges to `(n, 7, 7)`."""
    found = np.zeros((len(bits), 7, 7), dtype=np.int64)
    for position, (target, source) in enumerate(EDGES):
        found[:, source, target] = bits[:, position]
    return found


def in_use(matrix: np.ndarray) -> np.ndarray:
    """Edges on a way from 0 to 6, by powers of the matrices: `(n, 7, 7)` booleans."""
    reach = np.eye(7, dtype=np.int64)
    for _ in range(6):
        reach = ((np.eye(7, dtype=np.int64) + reach @ matrix) > 0).astype(np.int64)
    return (matrix > 0) & (reach[:, 0, :, None] > 0) & (reach[:, None, :, 6] > 0)


def legal(bits: np.ndarray) -> np.ndarray:
    edges = in_use(matrices(bits)).sum((1, 2))
    return (edges > 0) & (edges <= 9)


def every(bits: int) -> np.ndarray:
    """All rows of so many bits."""
    return np.arange(2**bits)[:, None] >> np.arange(bits) & 1


def test_its_size_is_the_number_of_different_cells() -> None:
    """Counted by Burnside's lemma: labelled graphs of each size, up to the order of vertices."""
    for vertices in range(2, 8):
        pairs = list(itertools.combinations(range(vertices), 2))
        numbers = np.arange(2 ** len(pairs))
        few = sum(numbers >> position & 1 for position in range(len(pairs))) <= 9
        bits = numbers[few][:, None] >> np.arange(len(pairs)) & 1
        found = np.zeros((len(bits), vertices, vertices), dtype=bool)
        for position, (source, target) in enumerate(pairs):
            found[:, source, target] = bits[:, position]
        found = found[found[:, :-1].any(2).all(1) & found[:, :, 1:].any(1).all(1)]
        reach = np.broadcast_to(np.eye(vertices, dtype=bool), found.shape)
        for _ in range(vertices):
            reach = reach | (reach @ found)
        found = found[reach[:, 0, :].all(1) & reach[:, :, -1].all(1)]
        inner = range(1, vertices - 1)
        power = 1 << np.arange(vertices * vertices, dtype=np.int64).reshape(vertices, vertices)
        codes, fixed = [], np.zeros(len(found))
        own = (found * power).sum((1, 2))
        for order in itertools.permutations(inner):
            moved = [0, *order, vertices - 1]
            code = (found[:, moved][:, :, moved] * power).sum((1, 2))
            codes.append(code)
            fixed += (code == own) * 3.0 ** cycles(dict(zip(inner, order, strict=True)))
        lowest = np.min(codes, axis=0)
        symmetries = (np.array(codes) == own).sum(0)
        _, first = np.unique(lowest, return_index=True)
        assert round((fixed[first] / symmetries[first]).sum()) == CELLS[vertices]
    assert sum(CELLS.values()) == SPACE.size() == 423_624


def test_a_random_cell_has_as_many_vertices_as_cells_have() -> None:
    rng = random.Random(0)
    sizes = Counter(len(SPACE.graph(SPACE.sample(rng))[1]) for _ in range(2000))
    for vertices in (5, 6, 7):
        share = CELLS[vertices] / SPACE.size()
        assert abs(sizes[vertices] / 2000 - share) < 4 * (share * (1 - share) / 2000) ** 0.5


def test_random_cells_of_a_size_are_all_as_likely() -> None:
    """Four vertices: 0-1, then 2 and 3 read what is before them, and nothing is left unread."""
    reads = [(1, two, three) for two in (1, 2, 3) for three in range(1, 8)]
    expected = {row for row in reads if row[0] | row[1] | row[2] == 7}
    rng = random.Random(0)
    cells = [random_reads(rng, 4) for _ in range(3000)]
    drawn = Counter((cell[1], cell[2], cell[6]) for cell in cells)
    assert set(drawn) == expected
    mean = 3000 / len(expected)
    chi_square = sum((count - mean) ** 2 / mean for count in drawn.values())
    assert chi_square < len(expected) - 1 + 4 * (2 * (len(expected) - 1)) ** 0.5


def cycles(order: dict[int, int]) -> int:
    left, number = set(order), 0
    while left:
        vertex = next(iter(left))
        number += 1
        while vertex in left:
            left.remove(vertex)
            vertex = order[vertex]
    return number


def test_legal_is_what_the_benchmark_accepts() -> None:
    rng = np.random.default_rng(0)
    bits = rng.random((3000, 21)) < rng.choice([0.3, 0.5, 0.7], (3000, 1))
    found = []
    for row in bits.astype(int).tolist():
        try:
            SPACE.architecture([*row, 0, 0, 0, 0, 0])
            found.append(True)
        except ValueError:
            found.append(False)
    assert found == legal(bits.astype(np.int64)).tolist()
    assert 300 < sum(found) < 2700


def test_illegal_cells_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="no way from vertex 0, the input, to the output"):
        SPACE.architecture([0] * 26)
    with pytest.raises(ValueError, match=r"21 edges lie between .*; a cell has at most 9"):
        SPACE.architecture([1] * 21 + [0] * 5)


def test_allowed_is_what_can_be_completed() -> None:
    """All 2^12 completions of beginnings of nine edges and more, tried."""
    rng = random.Random(0)
    seen = set()
    for _ in range(60):
        decided = rng.randrange(8, 21)
        share = rng.choice([0.3, 0.6, 1.0])
        begin = [int(rng.random() < share) for _ in range(decided)]
        rest = every(21 - decided - 1)
        expected = [
            bool(legal(np.hstack([np.tile([*begin, bit], (len(rest), 1)), rest])).any())
            for bit in (0, 1)
        ]
        assert SPACE.allowed(begin) == expected
        seen.add(tuple(expected))
    assert len(seen) == 3
    assert SPACE.allowed([0] * 15) == [False, True]  # one edge left that can make a way
    assert SPACE.allowed([]) == [True, True]
    assert SPACE.allowed([1] * 21) == [True] * 3


def test_random_and_walked_cells_are_legal() -> None:
    rng = random.Random(0)
    for _ in range(200):
        cell = SPACE.sample(rng)
        assert SPACE.architecture(cell.picks) == cell
        picks: list[int] = []
        for _ in SPACE.choices:
            options = [o for o, legal in enumerate(SPACE.allowed(picks)) if legal]
            picks.append(rng.choice(options))
        assert SPACE.architecture(picks).picks == tuple(picks)


def test_mutation_gives_another_network_and_grows_cells() -> None:
    rng = random.Random(0)
    cell, sizes = SPACE.read(BARE), set()
    for _ in range(300):
        mutant = SPACE.mutate(cell, rng)
        assert SPACE.canonical(mutant) != SPACE.canonical(cell)
        cell = mutant
        sizes.add(len(SPACE.graph(cell)[1]))
    assert sizes >= {3, 4, 5, 6}


def test_derive_gives_way_where_the_favourites_are_not_legal() -> None:
    rng = random.Random(0)
    for _ in range(100):
        scores = {c.key: [rng.random() for _ in c.options] for c in SPACE.choices}
        derived = SPACE.derive(scores)
        favourites = [row.index(max(row)) for row in scores.values()]
        try:
            assert derived == SPACE.architecture(favourites)
        except ValueError:
            assert derived.picks != tuple(favourites)
        assert derived.picks[21:] == tuple(favourites[21:])
    nothing = {c.key: [1.0, *[0.0] * (len(c.options) - 1)] for c in SPACE.choices}
    nothing["6<4"] = nothing["4<0"] = [1.0, 0.9]
    assert SPACE.write(SPACE.derive(nothing)) == [
        f"{C3}()", f"{C3}()", f"{C3}()", f"{C3}(0)", f"{C3}()", "output(4)",
    ]  # fmt: skip


def reordered(cell: Architecture, order: list[int]) -> tuple[list[list[int]], list[str]]:
    """The pruned cell with its inner vertices in another order, which need not be a legal one."""
    matrix, operations = SPACE.graph(cell)
    return [[matrix[a][b] for b in order] for a in order], [operations[v] for v in order]


def test_canonical_is_equal_for_the_same_network_alone() -> None:
    """Against the lowest of all orders of the vertices, tried by brute force."""
    rng = random.Random(0)
    hashes: dict[str, str] = {}
    cells = [SPACE.sample(rng) for _ in range(60)]
    cells += [SPACE.mutate(cell, rng) for cell in cells]
    cells += [SPACE.architecture([*c.picks[:21], *rng.sample(c.picks[21:], 5)]) for c in cells]
    for cell in cells:
        last = len(SPACE.graph(cell)[1]) - 1
        orders = itertools.permutations(range(1, last))
        lowest = min(str(reordered(cell, [0, *order, last])) for order in orders)
        assert hashes.setdefault(SPACE.canonical(cell), lowest) == lowest
    assert len(set(hashes.values())) == len(hashes)


def test_what_is_not_in_use_makes_no_difference() -> None:
    cell = SPACE.read(f"{C1}(0) {C3}() {POOL}(1) {C3}(2) {C3}(1) output(5)".split())
    assert SPACE.graph(cell) == (
        [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
        ["input", C1, C3, "output"],
    )
    assert SPACE.canonical(cell) == SPACE.canonical(
        SPACE.read(f"{C1}(0) {C3}(1) {C3}() {C3}() {C3}() output(2)".split())
    )
    [drawn] = SPACE.cells(cell)
    assert [tuple(edge) for edge in drawn.edges] == [
        ("input", "1", C1), ("1", "2", C3), ("2", "output", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (INCEPTION[:5], "is not of the form .*, with 6 vertices"),
        ([*INCEPTION[:5], "output"], "is not of the form"),
        ([*INCEPTION[:5], f"{C3}(1)"], "vertex 6: unknown operation 'conv3x3-bn-relu'"),
        (["conv3x3(0)", *INCEPTION[1:]], r"vertex 1: unknown operation 'conv3x3' \(did you mean"),
        ([f"{C1}(1)", *INCEPTION[1:]], r"vertex 1 reads those before it, not 1"),
        ([*INCEPTION[:5], "output()"], "no way from vertex 0"),
    ],
)
def test_wrong_texts_are_named(texts: list[str], message: str) -> None:
    assert SPACE.write(SPACE.read([" ".join(INCEPTION)])) == INCEPTION
    with pytest.raises(ValueError, match=message):
        SPACE.read(texts)


def parameters(cell: Architecture) -> int:
    with torch.device("meta"):
        return count(SPACE.network(cell, 10, "classifier"))


def test_the_parameters_of_the_benchmarks_example() -> None:
    assert parameters(SPACE.read(INCEPTION)) == 2_694_282


def test_parameters_are_those_of_the_table(shared_data: Path) -> None:
    with np.load(shared_data / "nasbench" / "nasbench101_val_30001.npz") as arrays:
        rows = np.random.default_rng(0).choice(len(arrays["adjacency"]), 25, replace=False)
        table = [arrays[name][rows] for name in ("adjacency", "operations", "num_vertices")]
        published = arrays["trainable_parameters"][rows].tolist()
    found = []
    for adjacency, operations, vertices in zip(*table, strict=True):
        last = int(vertices) - 1
        reads = {v: np.flatnonzero(adjacency[:, v]) for v in range(1, last + 1)}
        texts = [f"{C3}()"] * 5 + [f"output({','.join(map(str, reads[last]))})"]
        for v in range(1, last):
            texts[v - 1] = f"{OPERATIONS[operations[v]]}({','.join(map(str, reads[v]))})"
        found.append(parameters(SPACE.read(texts)))
    assert found == published


def test_a_network_computes_its_cell() -> None:
    """Written out, a vertex at a time, with channels that do not divide evenly."""
    torch.manual_seed(0)
    cells = [TINY.sample(random.Random(seed)) for seed in range(8)]
    for cell in [*cells, TINY.read(BARE), TINY.read(INCEPTION)]:
        network = randomised(TINY.network(cell, 3, "classifier")).double().eval()
        matrix, operations = TINY.graph(cell)
        x = network.stem(IMAGES)
        for module in network.cells:
            pools = isinstance(module, nn.MaxPool2d)
            x = F.max_pool2d(x, 2) if pools else slow_cell(module, matrix, operations, x)
        expected = network.head.linear(x.mean((2, 3)))
        torch.testing.assert_close(network(IMAGES), expected)


def slow_cell(
    module: nn.Module, matrix: list[list[int]], operations: list[str], x: Tensor
) -> Tensor:
    last = len(operations) - 1
    made: list[Tensor] = [x]
    for vertex in range(1, last):
        operation = module.operations[vertex - 1]
        if matrix[0][vertex]:
            total = module.projections[str(vertex)](x)
            width = total.shape[1]
        else:
            total, width = torch.tensor(0.0), module.channels[vertex]
        for source in range(1, vertex):
            if matrix[source][vertex]:
                total = total + made[source][:, :width]
        convolutions = [m for m in operation.modules() if isinstance(m, nn.Conv2d)]
        kernels = [m.kernel_size[0] for m in convolutions]
        assert kernels == {C3: [3], C1: [1], POOL: []}[operations[vertex]]
        made.append(operation(total) if kernels else F.max_pool2d(total, 3, 1, 1))
    leading = [made[v] for v in range(1, last) if matrix[v][last]]
    if not leading:
        return module.projections[str(last)](x)
    output = torch.cat(leading, dim=1)
    assert max(t.shape[1] for t in leading) - min(t.shape[1] for t in leading) <= 1
    return output + module.projections[str(last)](x) if matrix[0][last] else output


def test_head_names() -> None:
    check_head_names(TINY)
