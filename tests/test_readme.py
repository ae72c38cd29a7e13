"""What the README tells people to type is understood."""

import re
import shlex

import pytest
import torch

from squeezenas.cli import zoo
from squeezenas.core.recipes import cards, load_retraining, load_search
from tests.pages import ours, settings, understood


@pytest.fixture
def commands(repository):
    """Indented lines of the README that are commands, as words, without comments."""
    lines = re.findall(r"^ {4}(\S.*)$", (repository / "README.md").read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_commands_are_understood(commands, repository):
    found = [own for words in commands if (own := ours(words))]
    networks = ("predict", "export", "benchmark", "evaluate", "zoo", "scale")
    assert {"search", "train", "report", "data", "compare", "predictor", *networks} <= {
        own[0] for own in found
    }
    for own in found:
        assert understood(own, repository / "models" / "squeezenas_mac_small.yaml"), own


def test_folders_and_targets_are_taken(commands, repository):
    found = repository / "models" / "squeezenas_mac_small.yaml"
    taken = 0
    for command, *words in filter(None, map(ours, commands)):
        given = dict(word.split("=", 1) for word in settings(words) if "=" in word)
        if command == "search":
            config = load_search(settings(words))
            if "datasets.root" in given:
                assert str(config.datasets.root) == given["datasets.root"]
            if "regime.cost.target" in given:
                assert config.regime.cost.target == float(given["regime.cost.target"])
        elif command == "train":
            changed = {**given, "models": found}
            config = load_retraining([f"{key}={value}" for key, value in changed.items()])
            for key, value in given.items():
                if key.startswith("datasets."):
                    assert str(config.datasets[key.split(".")[1]].root) == value
        else:
            continue
        taken += 1
    assert taken >= 20


def test_the_zoo_table_is_the_generated_one(repository):
    between = r"<!-- zoo table: .*? -->\n(.*?)\n<!-- end of zoo table -->"
    (table,) = re.findall(between, (repository / "README.md").read_text(), re.DOTALL)
    assert table == zoo.markdown(), "paste what `squeezenas zoo table` prints into README.md"


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


@pytest.fixture
def blocks(repository):
    text = (repository / "README.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_python_runs(blocks):
    (block,) = [block for block in blocks if "pretrained" not in block]
    scope: dict[str, object] = {}
    exec(block, scope)  # our own README
    assert scope["network"](torch.zeros(1, 3, 32, 64)).shape == (1, 19, 32, 64)


def test_pretrained_python_runs(blocks, shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("SQUEEZENAS_HOME", str(tmp_path))
    monkeypatch.setenv("SQUEEZENAS_MIRROR", (shared_data / "weights").resolve().as_uri())
    (block,) = [block for block in blocks if "pretrained" in block]
    scope: dict[str, object] = {}
    exec(block, scope)
    with torch.inference_mode():
        assert scope["network"](torch.zeros(1, 3, 32, 64)).shape == (1, 19, 32, 64)
