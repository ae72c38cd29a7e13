import math

import pytest

from squeezenas.core.space import make_space
from tests.spaces.cell_networks import check_head_names, check_inheritance
from tests.spaces.published_cells import ENAS_MICRO

SPACE = make_space("enas_micro")
SMALL = {"cells": 3, "channels": 4}


def test_the_size_is_the_papers() -> None:
    assert SPACE.size() == (5 * math.factorial(5)) ** 4
    assert SPACE.size() == pytest.approx(1.3e11, rel=0.01)
    assert len(SPACE.choices) == 2 * 4 * 5


def test_the_published_cell() -> None:
    """arc of the authors' script, operations numbered as in their code."""
    architecture = SPACE.read(ENAS_MICRO)
    assert SPACE.write(architecture) == [*ENAS_MICRO]
    assert SPACE.read([" ".join(ENAS_MICRO)]) == architecture
    normal, reduce = SPACE.genotype(architecture)
    assert normal.edges[:4] == (
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 0),
        ("skip_connect", 0),
        ("sep_conv_5x5", 0),
    )
    assert (normal.concat, reduce.concat) == ((2, 3, 4, 5, 6), (2, 4, 5, 6))


@pytest.mark.parametrize(
    ("position", "word", "message"),
    [
        (0, "2", r"'2', integer 1 of 40, is not in 0\.\.1 \(nodes before it\)"),
        (1, "5", r"'5', integer 2 of 40, is not in 0\.\.4 \(sep_conv_3x3"),
        (24, "x", "'x', integer 25 of 40"),
        (39, "-1", "'-1', integer 40 of 40"),
        (5, "4 4", "40 integers.*got 41"),
    ],
)
def test_a_mistake_is_named(position: int, word: str, message: str) -> None:
    words = " ".join(ENAS_MICRO).split()
    words[position] = word
    with pytest.raises(ValueError, match=message):
        SPACE.read([" ".join(words)])


@pytest.mark.parametrize("seed", [0, 1])
def test_inherited_weights(seed: int) -> None:
    check_inheritance(make_space("enas_micro", SMALL), seed)


def test_head_names() -> None:
    check_head_names(make_space("enas_micro", SMALL))
