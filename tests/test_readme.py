"""What the README tells people to type is understood."""

import re
import shlex

import pytest
import torch

from squeezenas.cli import zoo
from squeezenas.core.benchmark_config import load_benchmark
from squeezenas.core.compare_config import load_comparison
from squeezenas.core.evaluate_config import load_evaluation
from squeezenas.core.export_config import ExportConfig
from squeezenas.core.network_config import load_network_config
from squeezenas.core.predict_config import PredictConfig
from squeezenas.core.predictor_config import ScoreConfig, load_predictor_config
from squeezenas.core.recipes import cards, load_dataset, load_retraining, load_search
from squeezenas.core.scale_config import load_scaling


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


def test_zoo_commands_resolve(commands):
    def of(command):
        return [words[2:] for words in commands if words[:2] == ["squeezenas", command]]

    for words in of("predict"):
        load_network_config(PredictConfig, words)
    for words in of("export"):
        load_network_config(ExportConfig, words)
    for words in of("benchmark"):
        load_benchmark(words)
    assert min(len(of(command)) for command in ("predict", "export", "benchmark", "zoo")) >= 1
    for words in of("zoo"):
        assert words[0] in zoo.USAGE
        assert words[1:] in ([], ["all"])


def test_commands_on_tables_and_families_resolve(commands):
    found = {words[1]: words[2:] for words in commands if words[0] == "squeezenas"}
    assert load_comparison(found["compare"]).budget == (150,)
    command, *words = found["predictor"]
    assert command == "score"
    assert load_predictor_config(ScoreConfig, words).splits == 20
    assert load_scaling(found["scale"]).phi == (1, 2, 3)


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
