import pytest
from omegaconf import OmegaConf

from squeezenas.core.overrides import merge, parse

GROUPS = ["datasets", "training_regimes"]


def test_cards_and_values_are_told_apart():
    request = parse(["datasets=a", "regime.crop=[64,96]", "datasets.root=/x=y", "seed=1"], GROUPS)
    assert request.cards == {"datasets": "a"}
    assert request.values == {"regime.crop": [64, 96], "datasets.root": "/x=y", "seed": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("null", None), ("true", True), ("[a, b]", ["a", "b"]), ("a b", "a b")],
)
def test_values_are_yaml(text, value):
    assert parse([f"x={text}"], GROUPS).values == {"x": value}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("word", "'word' is not understood"),
        ("=3", "not understood"),
        ("a..b=3", "not understood"),
        ("datasets=", "name a card"),
        ("regime=x", "training_regimes=x"),
        ("models=x", "takes datasets, training_regimes"),
        ("a=[1", r"a=\[1: the value is not valid YAML"),
    ],
)
def test_what_is_no_override(argument, message):
    with pytest.raises(ValueError, match=message):
        parse([argument], GROUPS)


def nowhere(key):
    return f"(in {key}.yaml)"


def test_merge_keeps_what_is_not_named():
    config = OmegaConf.create({"a": {"b": 1, "c": [1, 2]}, "d": 3})
    assert merge(config, {"a.b": 5, "a.c": [7]}, nowhere) == {"a": {"b": 5, "c": [7]}, "d": 3}


def test_environment_is_read_with_a_default(monkeypatch):
    text = {"root": "${oc.env:SQUEEZENAS_NOWHERE,data/x}"}
    assert merge(OmegaConf.create(text), {}, nowhere) == {"root": "data/x"}
    monkeypatch.setenv("SQUEEZENAS_NOWHERE", "/elsewhere")
    assert merge(OmegaConf.create(text), {}, nowhere) == {"root": "/elsewhere"}


def test_a_variable_that_is_not_set_is_named_with_its_key():
    config = OmegaConf.create({"a": {"root": "${oc.env:SQUEEZENAS_NOWHERE}"}})
    with pytest.raises(ValueError, match=r"a\.root: Environment .*NOWHERE.*\(in a\.root\.yaml\)"):
        merge(config, {}, nowhere)
