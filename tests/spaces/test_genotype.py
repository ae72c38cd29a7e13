import re

import pytest

from squeezenas.core.space import make_space
from squeezenas.nn.operations import DARTS, NASNET
from squeezenas.spaces.genotype import read_genotype, write_genotype
from tests.spaces.published_cells import AMOEBANET_A, DARTS_V2, NASNET_A, PNASNET_5


@pytest.mark.parametrize("text", [NASNET_A, AMOEBANET_A, PNASNET_5])
def test_both_ways(text: str) -> None:
    genotype = read_genotype([text], NASNET, 5)
    assert read_genotype([write_genotype(genotype)], NASNET, 5) == genotype
    assert len(genotype.normal.edges) == 10
    assert genotype.reduce.concat[-1] == 6


def test_the_written_form_is_the_papers() -> None:
    written = write_genotype(read_genotype([DARTS_V2], DARTS, 4))
    assert written == DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 6)")


FIRST = "('sep_conv_3x3', 0)"
MISTAKES = {
    "unknown operation": (FIRST, "('sep_conv_4x4', 0)", r"normal, node 2: .*'sep_conv_4x4'.*mean"),
    "later node": (FIRST, "('sep_conv_3x3', 2)", r"\('sep_conv_3x3', 2\) reads .* not in 0\.\.1"),
    "negative": (FIRST, "('sep_conv_3x3', -1)", r"-1\) reads a node"),
    "a truth value": (FIRST, "('sep_conv_3x3', True)", r"True\) reads a node"),
    "a triple": (FIRST, "('sep_conv_3x3', 0, 1)", "is no pair"),
    "a call": (FIRST, "open('x')", r"normal, node 2: open\('x'\) is no pair"),
    "too many": (FIRST, f"{FIRST}, {FIRST}", "normal has 9 inputs instead of 8"),
    "too few": (f"{FIRST}, ", "", "normal has 7 inputs instead of 8"),
    "no list": ("normal_concat=[2, 3, 4, 5]", "normal_concat=7", "normal_concat=7 is no list"),
    "concat too far": ("normal_concat=[2, 3, 4, 5]", "normal_concat=[2, 6]", r"within 2\.\.5"),
    "an endless range": (
        "normal_concat=[2, 3, 4, 5]",
        "normal_concat=range(2, 999999999999)",
        "two ends",
    ),
    "unknown part": ("normal_concat", "normal_conct", "no 'normal_conct'.*normal_concat"),
    "missing part": (", reduce_concat=[2, 3, 4, 5]", "", "has no reduce_concat"),
    "twice": ("reduce_concat", "normal_concat", "normal_concat twice"),
    "another name": ("Genotype", "System", "is no genotype"),
    "cut off": (", reduce_concat=[2, 3, 4, 5])", ", reduce_concat=[2,", "cannot be read from"),
    "deep": (FIRST, "(" * 5000, "genotype"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake: str) -> None:
    old, new, message = MISTAKES[mistake]
    text = DARTS_V2.replace(old, new, 1)
    assert text != DARTS_V2
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        make_space("darts_cell").read([text])


def test_only_one_text() -> None:
    with pytest.raises(ValueError, match=r"one text.*got 2"):
        read_genotype([DARTS_V2, DARTS_V2], DARTS, 4)
