from pathlib import Path

import pytest
import torch

from squeezenas.core.space import ChainSpace, make_space
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.costs.published import read_proxylessnas
from squeezenas.nn.inverted_residual import Bottleneck
from tests.spaces.chain_contract import check_a_hard_path, check_a_soft_step, check_candidates

MOBILE = (  # figure 4 of the paper
    "k5_e3 k3_e3 skip skip k7_e3 k3_e3 k5_e3 k5_e3 k7_e6 k5_e3 k5_e3 k5_e3 "
    "k5_e6 k5_e3 k5_e3 k5_e3 k7_e6 k7_e6 k7_e3 k7_e3 k7_e6"
)


def proxylessnas(**scale: object) -> ChainSpace:
    space = make_space("proxylessnas", scale)
    assert isinstance(space, ChainSpace)
    return space


def test_size_and_where_a_unit_may_be_left_out() -> None:
    space = proxylessnas()
    assert len(space.choices) == 21
    assert space.size() == 6**6 * 7**15
    lacking = [index for index, choice in enumerate(space.choices) if "skip" not in choice.options]
    assert lacking == [0, 4, 8, 12, 16, 20]


def test_the_published_mobile_network_has_its_size() -> None:
    space = proxylessnas()
    with torch.device("meta"):
        network = space.network(space.read(MOBILE.split()), 1000, "classifier")
    assert parameters(network) == pytest.approx(4.08, abs=0.005)
    assert gmacs(network, (224, 224)) == pytest.approx(0.320, abs=0.001)


def test_the_published_latency_table_has_its_blocks(shared_data: Path) -> None:
    """All but those that touch the first stage, which is 24 channels wide in that table."""
    timed = {
        (block.input, block.output, block.expand, block.kernel, block.stride)
        for block in read_proxylessnas(shared_data / "latency/proxylessnas_pixel_trim.yaml")
    }
    space, found = proxylessnas(), 0
    for choice, (c_in, c_out, stride) in zip(space.choices, space.macro.units(), strict=True):
        _, height, width = space.candidate_input(choice.key, 224, 224)
        if 32 in (c_in, c_out):
            continue
        for option in choice.options[:6]:
            kernel, expansion, *_ = Bottleneck.parse(option)
            target = (height // stride, width // stride, c_out)
            assert ((height, width, c_in), target, expansion, kernel, stride) in timed
            found += 1
    assert found == 6 * 16


def test_small_images() -> None:
    small = proxylessnas(small=True)
    assert small.candidate_input("unit00", 32, 32) == (16, 32, 32)
    assert small.candidate_input("unit20", 32, 32) == (192, 4, 4)


def test_a_training_step_is_that_of_plain_layers() -> None:
    check_a_soft_step(proxylessnas(small=True, width=0.1), "lean")


@pytest.mark.parametrize("training", [False, True])
def test_a_hard_path_is_the_network_that_inherits_its_weights(training: bool) -> None:
    check_a_hard_path(proxylessnas(small=True, width=0.25), training)


@pytest.mark.parametrize(("small", "size"), [(False, (64, 96)), (True, (32, 32))])
def test_candidates_are_those_of_the_supernet(small: bool, size: tuple[int, int]) -> None:
    check_candidates(proxylessnas(small=small), size)
