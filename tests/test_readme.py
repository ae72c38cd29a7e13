"""What the README tells people to type is understood."""

import re
import shlex

import pytest

from squeezenas.core.evaluate_config import load_evaluation
from squeezenas.core.recipes import cards, load_dataset, load_retraining, load_search


@pytest.fixture
def commands(repository):
    """Indented lines of the README that are commands, as words, without comments."""
    lines = re.findall(r"^ {4}(\S.*)$", (repository / "README.md").read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_searches_resolve(commands):
    searches = [words for words in commands if "search.py" in words]
    assert len(searches) >= 6
    for words in searches:
        arguments = words[words.index("search.py") + 1 :]
        config = load_search([word for word in arguments if not word.startswith("--")])
        for key, value in (word.split("=", 1) for word in arguments if "=" in word):
            if key == "datasets.root":
                assert str(config.datasets.root) == value
            if key == "regime.cost.target":
                assert config.regime.cost.target == float(value)


def test_retrainings_resolve(commands, repository):
    found = repository / "models" / "squeezenas_mac_small.yaml"
    trainings = [words for words in commands if "train.py" in words]
    assert len(trainings) >= 4
    for words in trainings:
        arguments = [w.replace("runs/my_search/architecture.yaml", str(found))
                     for w in words[words.index("train.py") + 1 :]]  # fmt: skip
        if not arguments:  # takes what the newest search found
            arguments = [f"models={found}"]
        config = load_retraining(arguments)
        for key, value in (word.split("=", 1) for word in arguments):
            if key.startswith("datasets."):
                assert str(config.datasets[key.split(".")[1]].root) == value


def test_evaluations_resolve(commands, repository):
    trained = repository / "models" / "squeezenas_mac_small.yaml"
    evaluations = [words[2:] for words in commands if words[:2] == ["squeezenas", "evaluate"]]
    assert len(evaluations) >= 3
    for words in evaluations:
        load_evaluation([w.replace("runs/my_training/model.yaml", str(trained)) for w in words])


def test_data_checks_resolve(commands):
    checks = [words for words in commands if words[:3] == ["squeezenas", "data", "check"]]
    assert checks
    assert load_dataset(checks[0][3:]).name == "camvid"


def test_make_targets_exist(commands, repository):
    targets = [words[1] for words in commands if words[0] == "make"]
    assert {"demo", "test"} <= set(targets)
    makefile = (repository / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in targets)


def test_regimes_of_the_table_exist(repository):
    table = re.findall(
        r"^\| (`(?:search|retrain)_.*?) \|", (repository / "README.md").read_text(), re.MULTILINE
    )
    assert len(table) >= 8
    for row in table:
        first, *suffixes = re.findall(r"`(\w+)`", row)
        stem = first.rpartition("_")[0]
        assert {first, *(stem + suffix for suffix in suffixes)} <= set(cards("training_regimes"))


def test_python_runs(repository):
    (block,) = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    scope: dict[str, object] = {}
    exec(block, scope)  # our own README
    assert scope["network"](__import__("torch").zeros(1, 3, 32, 64)).shape == (1, 19, 32, 64)
