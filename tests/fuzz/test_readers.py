"""The short version of `python -m tests.fuzz`: a few mutants of every reader."""

from __future__ import annotations

import pytest

from tests.fuzz.mutations import mutant
from tests.fuzz.run import attack
from tests.fuzz.target import FILES, targets

INPUTS = 20


@pytest.mark.parametrize("file", FILES)
def test_mutants_are_accepted_or_refused_in_a_sentence(file: str) -> None:
    names = list(targets(file))
    tallies = attack(file, dict.fromkeys(names, INPUTS), seed=0)
    assert {name: tally.inputs for name, tally in tallies.items()} == dict.fromkeys(names, INPUTS)
    assert {name: tally.findings for name, tally in tallies.items() if tally.findings} == {}


def test_names_are_unique() -> None:
    names = [name for file in FILES for name in targets(file)]
    assert len(names) == len(set(names))


def test_a_number_is_an_input_for_ever() -> None:
    card = targets("targets_recipes")["model_card"]
    inputs = [mutant(card, 0, index) for index in range(20)]
    assert inputs == [mutant(card, 0, index) for index in range(20)]
    assert len(set(inputs)) == 20
    assert mutant(card, 1, 0) != inputs[0]
