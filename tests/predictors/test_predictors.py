"""What every registered predictor must do."""

import json
import random
import struct
from functools import cache

import numpy as np
import pytest
import torch

from squeezenas.core.architecture import Architecture
from squeezenas.core.seal import BLANK, filled
from squeezenas.core.space import make_space
from squeezenas.predictors.boosting import MOST_WORK, BoostingConfig
from squeezenas.predictors.measures import measures
from squeezenas.predictors.predictor import make_predictor, predictors
from squeezenas.predictors.saved import load_predictor, save_predictor
from tests.predictors.planted import QUICK, SPACE, drawn
from tests.strategies.ask_tell import ToyChain

NAMES = predictors.names()


def fitted(name, count=150, seed=0, **keys):
    predictor = make_predictor(name, QUICK[name] | keys, SPACE, seed)
    architectures, values = drawn(count)
    predictor.fit(architectures, values)
    return predictor


@pytest.fixture(scope="module")
def learned():
    """Each predictor, fitted once: `learned(name)`."""
    return cache(fitted)


@pytest.fixture(scope="module")
def others():
    """Architectures that nobody learned from, and their values."""
    architectures, values = drawn(350)
    return architectures[150:], values[150:]


def test_the_predictors_there_are():
    assert NAMES == ["boosting", "gcn", "mlp", "rnn"]


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_function_is_learned(name, learned, others):
    architectures, values = others
    found = measures(values, learned(name).predict(architectures))
    assert found["kendall"] > 0.6
    assert found["r2"] > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_global_chance_does_not(name, learned, others):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    again = fitted(name)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    said = learned(name).predict(others[0])
    assert np.array_equal(again.predict(others[0]), said)
    assert not np.array_equal(fitted(name, seed=1).predict(others[0]), said)


@pytest.mark.parametrize("name", NAMES)
def test_fitting_again_forgets_the_first_time(name):
    architectures, values = drawn(20)
    keys = QUICK[name] | ({"trees": 3} if name == "boosting" else {"epochs": 2})
    once = make_predictor(name, keys, SPACE)
    once.fit(architectures, values)
    twice = make_predictor(name, keys, SPACE)
    twice.fit(architectures[:10], 5 - values[:10])
    twice.fit(architectures, values)
    assert np.array_equal(once.predict(architectures), twice.predict(architectures))


@pytest.mark.parametrize("name", NAMES)
def test_predictions_follow_the_unit_of_the_values(name, others):
    architectures, values = drawn(30)
    keys = QUICK[name] | ({"trees": 20} if name == "boosting" else {"epochs": 5})
    ours, theirs = (make_predictor(name, keys, SPACE) for _ in range(2))
    ours.fit(architectures, values)
    theirs.fit(architectures, 100 * values - 7)
    expected = 100 * ours.predict(others[0]) - 7
    assert theirs.predict(others[0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_one_at_a_time_and_together_are_the_same(name, learned, others):
    together = learned(name).predict(others[0][:7])
    assert together.shape == (7,)
    alone = [learned(name).predict([one])[0] for one in others[0][:7]]
    assert together == pytest.approx(np.array(alone), abs=1e-5)
    assert learned(name).predict([]).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_the_predictor_back(name, learned, others, tmp_path):
    save_predictor(tmp_path / "p.safetensors", learned(name), name)
    loaded = load_predictor(tmp_path / "p.safetensors", SPACE)
    assert np.array_equal(loaded.predict(others[0]), learned(name).predict(others[0]))
    with pytest.raises(ValueError, match="fitted in space toy_choices, whose choices are not"):
        load_predictor(tmp_path / "p.safetensors", ToyChain(2, 2))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all"])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a file of a predictor"):
        load_predictor(path, SPACE)
    with pytest.raises(FileNotFoundError):
        load_predictor(tmp_path / "missing", SPACE)


@pytest.mark.parametrize("name", NAMES)
def test_equal_values_are_predicted_as_such(name):
    architectures, _ = drawn(12)
    predictor = make_predictor(name, QUICK[name], SPACE)
    predictor.fit(architectures, np.full(12, 0.7))
    assert predictor.predict(architectures) == pytest.approx(np.full(12, 0.7), abs=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_mistakes(name):
    predictor = make_predictor(name, {}, SPACE)
    architectures, values = drawn(10)
    with pytest.raises(ValueError, match="learned nothing yet: call fit first"):
        predictor.predict(architectures)
    with pytest.raises(ValueError, match="at least 2 architectures, got 1"):
        predictor.fit(architectures[:1], values[:1])
    with pytest.raises(ValueError, match=r"10 architectures came with values of shape \(9,\)"):
        predictor.fit(architectures, values[:9])
    values[[3, 5]] = np.nan, np.inf
    with pytest.raises(ValueError, match="2 of 10 values are not finite, the first is number 3"):
        predictor.fit(architectures, values)
    stranger = make_space("squeezenas_small").sample(random.Random(0))
    longer = Architecture(SPACE.name, (0,) * 7)
    for other in (stranger, longer):
        with pytest.raises(ValueError, match=r"architecture number 1 is one of .* for toy_choices"):
            predictor.fit([architectures[0], other], [0.1, 0.2])
    with pytest.raises(ValueError, match=f"predictor {name}: settings.epoch: unknown key"):
        make_predictor(name, {"epoch": 3}, SPACE)
    with pytest.raises(ValueError, match=r"unknown predictor 'gnc' \(did you mean 'gcn'\?\)"):
        make_predictor("gnc", {}, SPACE)


def test_an_ensemble_is_the_mean_of_members_that_each_miss_a_part(others):
    predictor = fitted("mlp", count=50, members=5)
    parts = [network(*predictor.encode(others[0])) for network in predictor.networks]
    mean = torch.stack(parts).mean(0).detach().numpy()
    assert len(parts) == 5
    expected = predictor.mean + predictor.deviation * mean
    assert predictor.predict(others[0]) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="members=5 need at least 10 training architectures"):
        fitted("mlp", count=9, members=5)


def rewritten(path, **changes):
    """A saved predictor with other words about it and a right seal, as who means harm has it."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    about = json.loads(header["__metadata__"]["about"])
    header["__metadata__"]["about"] = json.dumps({**about, "seal": BLANK, **changes})
    told = json.dumps(header).encode()
    path.write_bytes(filled(struct.pack("<Q", len(told)) + told + content[8 + length :]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"hidden": 10**9}}, "the weights networks.0 are of another network"),
        ({"settings": {"hidden": 10**30}}, "holds no mlp that fits its settings"),
        ({"settings": {"hidden": "many"}}, "holds no mlp that fits its settings"),
        ({"settings": []}, "settings: expected"),
        ({"predictor": "boosting", "settings": {}}, "holds no boosting that fits its .*encoded"),
        ({"predictor": "boosting", "settings": {"depth": 30}}, "settings.depth: "),
        ({"settings": {"members": 10**6}}, "settings.members: "),
        ({"predictor": "gcn", "settings": {}}, "holds no gcn that fits its settings"),
        ({"predictor": "os.system"}, "holds no os.system that fits"),
        ({"deviation": 0}, "deviation: expected"),
        ({"mean": None}, "mean: expected"),
        ({"seed": -1}, "seed: expected"),
        ({"choices": {}}, "choices: expected"),
        ({"extra": 1}, "extra: unknown key"),
    ],
)
def test_words_that_do_not_fit_the_weights_are_refused(changes, message, learned, tmp_path):
    path = tmp_path / "p.safetensors"
    save_predictor(path, learned("mlp"), "mlp")
    rewritten(path)
    load_predictor(path, SPACE)
    rewritten(path, **changes)
    with pytest.raises(ValueError, match=message) as raised:
        load_predictor(path, SPACE)
    assert "p.safetensors" in str(raised.value)


def test_a_file_has_no_more_networks_than_members(tmp_path):
    path = tmp_path / "p.safetensors"
    settings = {"epochs": 1, "members": 2}
    save_predictor(path, fitted("mlp", count=10, **settings), "mlp")
    assert len(load_predictor(path, SPACE).networks) == 2
    rewritten(path, settings=settings | {"members": 1})
    with pytest.raises(ValueError, match=r"p\.safetensors.*there are 2 networks and members=1"):
        load_predictor(path, SPACE)


def test_trees_are_grown_again_only_of_picks_and_within_bounds(learned, tmp_path, monkeypatch):
    predictor = learned("boosting")
    again = make_predictor("boosting", QUICK["boosting"], SPACE)
    state = predictor.state()
    with pytest.raises(ValueError, match="encoded has numbers that are no picks"):
        again.load_state(state | {"encoded": state["encoded"] / 3})
    save_predictor(tmp_path / "p.safetensors", predictor, "boosting")
    monkeypatch.setattr("squeezenas.predictors.boosting.MOST_WORK", 1000)
    with pytest.raises(
        ValueError, match=r"p\.safetensors.*100 trees of depth 3 would take too long"
    ):
        load_predictor(tmp_path / "p.safetensors", SPACE)


def test_all_of_a_table_can_be_learned():
    """NAS-Bench-201 has 15,625 rows of 30 picks, the settings being the default ones."""
    config = BoostingConfig()
    assert 15_625 * 30 * config.trees * config.depth * config.features < MOST_WORK / 8
