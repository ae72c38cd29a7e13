import math
import random

import pytest

from squeezenas.core.space import make_space
from squeezenas.nn.backbone import Macro
from squeezenas.spaces.unit_chain import UnitChain, UnitChainScale
from tests.spaces.chain_contract import check_candidates

CHAINS = ("fbnet", "proxylessnas", "squeezenas_large", "squeezenas_small", "squeezenas_xlarge")


def chain(name: str, **scale: object) -> UnitChain:
    space = make_space(name, scale)
    assert isinstance(space, UnitChain)
    return space


class EfficientNet(UnitChain):
    """The stages of EfficientNet-B0 (arXiv:1905.11946, table 1)."""

    name = "efficientnet"
    published = Macro(
        stem=32,
        blocks=(
            (16, 1, 1), (24, 2, 2), (40, 2, 2), (80, 3, 2), (112, 3, 1), (192, 4, 2), (320, 1, 1),
        ),
        last=1280,
    )  # fmt: skip

    def options(self, c_in: int, c_out: int, stride: int) -> tuple[str, ...]:
        return ("k3_e6",)


@pytest.mark.parametrize(
    ("width", "depth", "stem", "channels", "repeats", "last"),
    [
        (1.0, 1.1, 32, (16, 24, 40, 80, 112, 192, 320), (2, 3, 3, 4, 4, 5, 2), 1280),  # B1
        (1.2, 1.4, 40, (24, 32, 48, 96, 136, 232, 384), (2, 3, 3, 5, 5, 6, 2), 1536),  # B3
        (2.0, 3.1, 64, (32, 48, 80, 160, 224, 384, 640), (4, 7, 7, 10, 10, 13, 4), 2560),  # B7
    ],
)
def test_rounding_gives_the_published_efficientnets(
    width: float,
    depth: float,
    stem: int,
    channels: tuple[int, ...],
    repeats: tuple[int, ...],
    last: int,
) -> None:
    macro = EfficientNet(UnitChainScale(width=width, depth=depth)).macro
    assert (macro.stem, macro.last) == (stem, last)
    assert tuple(wide for wide, _, _ in macro.blocks) == channels
    assert tuple(count for _, count, _ in macro.blocks) == repeats


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("depth", [0.5, 1.0, 1.2, 3.1])
def test_depth_scales_the_units_of_every_stage(name: str, depth: float) -> None:
    plain, scaled = chain(name), chain(name, depth=depth)
    for (wide, repeats, stride), block in zip(plain.macro.blocks, scaled.macro.blocks, strict=True):
        assert block == (wide, math.ceil(depth * repeats), stride)
    assert len(scaled.choices) == sum(repeats for _, repeats, _ in scaled.macro.blocks)


@pytest.mark.parametrize("name", ["squeezenas_small", "squeezenas_large", "squeezenas_xlarge"])
@pytest.mark.parametrize(("head", "stride"), [("lr_aspp", 8), ("deeplabv3plus", 4)])
@pytest.mark.parametrize("depth", [0.3, 1.0, 1.7])
def test_heads_read_the_last_unit_at_their_stride(
    name: str, head: str, stride: int, depth: float
) -> None:
    space = chain(name, depth=depth)
    low = space.macro.low[head]
    strides = [step for _, _, step in space.macro.units()]
    assert 2 * math.prod(strides[: low + 1]) == stride
    assert strides[low + 1] == 2


def test_candidates_of_a_deeper_space_are_those_of_its_supernet() -> None:
    check_candidates(chain("squeezenas_small", depth=1.3), (64, 96))


@pytest.mark.parametrize("name", CHAINS)
def test_as_deep_is_the_same_architecture(name: str) -> None:
    space = chain(name)
    architecture = space.sample(random.Random(1))
    assert space.deepened(space, architecture) == architecture


def test_units_are_repeated_in_their_order_the_last_first_and_skips_apart() -> None:
    space = chain("squeezenas_small")
    stages = [
        "k3_e1_g1 k3_e3_g1 k3_e6_g1 k5_e1_g1",
        "k3_e1_g1 skip k3_e6_g1 skip",
        "k5_e6_g1 k3_e1_g1 k3_e3_g1 skip",
        "skip skip skip skip",
        "skip k3_e1_g1 k3_e3_g1 k3_e6_g1",
    ]
    architecture = space.read(" ".join(stages).split())

    def deepened(depth: float) -> list[str]:
        deeper = chain("squeezenas_small", depth=depth)
        texts = deeper.write(deeper.deepened(space, architecture))
        wide = len(texts) // 5
        return [" ".join(texts[start : start + wide]) for start in range(0, len(texts), wide)]

    assert deepened(1.25) == [
        "k3_e1_g1 k3_e3_g1 k3_e6_g1 k5_e1_g1 k5_e1_g1",
        "k3_e1_g1 skip k3_e6_g1 k3_e6_g1 skip",
        "k5_e6_g1 k3_e1_g1 k3_e3_g1 k3_e3_g1 skip",
        "skip skip skip skip skip",
        "skip k3_e1_g1 k3_e3_g1 k3_e6_g1 k3_e6_g1",
    ]
    assert deepened(2)[:2] == [
        "k3_e1_g1 k3_e1_g1 k3_e3_g1 k3_e3_g1 k3_e6_g1 k3_e6_g1 k5_e1_g1 k5_e1_g1",
        "k3_e1_g1 k3_e1_g1 skip skip k3_e6_g1 k3_e6_g1 skip skip",
    ]


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("depth", [1.1, 1.5, 2.3])
def test_every_stage_keeps_its_units_and_its_share_that_computes(name: str, depth: float) -> None:
    plain, deeper = chain(name), chain(name, depth=depth)
    for seed in range(10):
        architecture = plain.sample(random.Random(seed))
        old, new = plain.write(architecture), deeper.write(deeper.deepened(plain, architecture))
        for (_, before, _), (_, after, _) in zip(
            plain.macro.blocks, deeper.macro.blocks, strict=True
        ):
            stage, old = old[:before], old[before:]
            longer, new = new[:after], new[after:]
            assert [text for text in stage if text in longer] == stage
            share = sum(text != "skip" for text in stage) / before
            assert 0 <= sum(text != "skip" for text in longer) - share * after < 1
