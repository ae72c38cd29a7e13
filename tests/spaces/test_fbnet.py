import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import spearmanr

from squeezenas.core.space import ChainSpace, make_space
from squeezenas.costs.macs import gmacs, macs_table, parameters
from squeezenas.costs.published import read_fbnet
from squeezenas.engine.torchvision_import import import_torchvision
from squeezenas.nn.fold import folded
from squeezenas.nn.inverted_residual import ChannelShuffle
from squeezenas.spaces.unit_chain import UnitChainScale
from tests.spaces.chain_contract import (
    IMAGES,
    check_a_hard_path,
    check_a_soft_step,
    check_candidates,
)

FBNET_C = (  # figure 4 of the paper
    "k3_e1 k3_e6 skip k3_e1 k3_e1 k5_e6 k5_e3 k5_e6 k3_e6 k5_e6 k5_e3 k5_e6 k5_e6 "
    "k5_e6 k5_e6 k5_e6 k5_e3 k5_e6 k5_e6 k5_e6 k5_e6 k3_e6"
)


def fbnet(**scale: object) -> ChainSpace:
    space = make_space("fbnet", scale)
    assert isinstance(space, ChainSpace)
    return space


def test_its_size_is_that_of_the_paper() -> None:
    assert fbnet().size() == 9**22
    assert fbnet(small=True, width=0.5).size() == 9**22


def test_fbnet_c_has_its_published_size_and_that_of_another_library() -> None:
    import_torchvision()
    import timm

    space = fbnet()
    with torch.device("meta"):
        network = space.network(space.read(FBNET_C.split()), 1000, "classifier")
        other = timm.create_model("fbnetc_100")
    assert parameters(network) == parameters(other)
    assert gmacs(network, (224, 224)) == gmacs(other, (224, 224))
    assert parameters(network) == pytest.approx(5.5, rel=0.02)
    assert gmacs(network, (224, 224)) == pytest.approx(0.375, rel=0.03)


def test_published_latency_tables_have_its_units_and_options(shared_data: Path) -> None:
    folder, space = shared_data / "latency", fbnet()
    names = read_fbnet(folder / "fbnet_araslanova_lookup_table.txt").options
    assert names is not None
    theirs = tuple(n.removeprefix("ir_").replace("_s2", "_e1_g2") for n in names)
    assert {choice.options for choice in space.choices} == {theirs}
    # 5,000 networks that others have timed: the same integers must mean the same networks.
    table = macs_table(space, 1000, "classifier", (224, 224))
    with np.load(folder / "fbnet_space_5000_archs_latency.npz") as measured:
        picks, latency = measured["arch"][:500].astype(int), measured["lat_eyeriss"][:500]
    macs = [table.of(space.architecture(row)) for row in picks.tolist()]
    assert spearmanr(macs, latency).statistic > 0.9


def test_small_images_keep_a_map_of_four_by_four() -> None:
    small = fbnet(small=True)
    assert small.candidate_input("unit00", 32, 32) == (16, 32, 32)
    assert small.candidate_input("unit05", 32, 32) == (24, 32, 32)
    assert small.candidate_input("unit21", 32, 32) == (184, 4, 4)
    assert fbnet().candidate_input("unit21", 224, 224) == (184, 7, 7)


def test_width_scales_all_channels() -> None:
    half = fbnet(width=0.5)
    assert [half.macro.stem, half.macro.last] == [16, 992]
    assert [block[0] for block in half.macro.blocks] == [16, 16, 16, 32, 56, 96, 176]
    with pytest.raises(ValidationError):
        UnitChainScale(width=0)
    with pytest.raises(ValueError, match=r"space fbnet: .*scale\.wide"):
        fbnet(wide=2)


@pytest.mark.parametrize("memory", ["full", "lean"])
def test_a_training_step_is_that_of_plain_layers(memory: str) -> None:
    check_a_soft_step(fbnet(small=True, width=0.1), memory)


@pytest.mark.parametrize("training", [False, True])
def test_a_hard_path_is_the_network_that_inherits_its_weights(training: bool) -> None:
    check_a_hard_path(fbnet(small=True, width=0.25), training)


@pytest.mark.parametrize(("small", "size"), [(False, (64, 96)), (True, (32, 32))])
def test_candidates_are_those_of_the_supernet(small: bool, size: tuple[int, int]) -> None:
    check_candidates(fbnet(small=small), size)


def test_groups_exchange_channels_behind_the_expansion() -> None:
    space = fbnet()
    for option in space.choices[2].options:
        shuffles = [
            position
            for position, module in enumerate(space.candidate("unit02", option).children())
            if isinstance(module, ChannelShuffle)
        ]
        assert shuffles == ([3] if option.endswith("g2") else [])
    channels = torch.arange(6.0).view(1, 6, 1, 1).expand(2, 6, 3, 3)
    dealt = ChannelShuffle(2)(channels)[0, :, 0, 0].tolist()
    assert dealt == [0, 3, 1, 4, 2, 5]
    torch.testing.assert_close(ChannelShuffle(3)(channels), torch.channel_shuffle(channels, 3))


def test_a_network_with_groups_can_be_folded_and_pickled() -> None:
    space = fbnet(small=True, width=0.25)
    picks = [1, 5] * 11
    network = space.network(space.architecture(picks), 3, "classifier").double().eval()
    expected = network(IMAGES)
    torch.testing.assert_close(folded(pickle.loads(pickle.dumps(network)))(IMAGES), expected)


def test_text_that_is_no_candidate() -> None:
    texts = fbnet().write(fbnet().sample(random.Random(0)))
    texts[7] = "k3_e1_g2_shuffled"
    with pytest.raises(ValueError, match=r"unit07: unknown option 'k3_e1_g2_shuffled'"):
        fbnet().read(texts)
