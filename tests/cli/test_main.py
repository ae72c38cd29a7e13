import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from squeezenas import __version__
from squeezenas.cli.main import main
from squeezenas.core.dataset_card import DatasetCard
from squeezenas.core.recipes import cards, load_retraining, load_search
from squeezenas.core.retrain_config import RetrainConfig, Stage
from squeezenas.core.schema import keys
from squeezenas.core.search_config import SearchConfig


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def called(monkeypatch):
    """Replaces the commands themselves; returns what they were called with."""
    import squeezenas.cli

    calls = []
    for name in ("search", "train", "data"):
        stand_in = types.ModuleType(name)
        stand_in.main = lambda *arguments: calls.append(arguments) or 0
        monkeypatch.setitem(sys.modules, f"squeezenas.cli.{name}", stand_in)
        monkeypatch.setattr(squeezenas.cli, name, stand_in, raising=False)
    return calls


def test_search_gets_its_configuration(called):
    assert main(["search", "--dry-run", "name=x", "regime.epochs=5"]) == 0
    assert called == [(load_search(["name=x", "regime.epochs=5"]), None, True)]


def test_train_gets_its_configuration(called):
    words = ["models=squeezenas_mac_small", "name=x", "training_regimes=retrain_paper"]
    assert main(["train", "--dry-run", *words]) == 0
    assert called == [(load_retraining(words), None, True)]


def test_train_resumes_the_saved_configuration(called, tmp_path, capsys):
    words = ["models=squeezenas_mac_small", "name=x", "seed=4"]
    assert main(["train", "--print-config", *words]) == 0
    (tmp_path / "config.yaml").write_text(capsys.readouterr().out)
    assert main(["train", "--resume", str(tmp_path)]) == 0
    assert called == [(load_retraining(words), tmp_path, False)]


@pytest.mark.parametrize("form", [["--resume", "{}"], ["--resume={}"]])
def test_resume_gets_the_saved_configuration(called, tmp_path, capsys, form):
    assert main(["search", "--print-config", "name=x", "seed=4"]) == 0
    (tmp_path / "config.yaml").write_text(capsys.readouterr().out)
    assert main(["search", *(part.format(tmp_path) for part in form)]) == 0
    assert called == [(load_search(["name=x", "seed=4"]), tmp_path, False)]


def test_data_gets_the_rest(called):
    assert main(["data", "check", "datasets=camvid"]) == 0
    assert called == [(["check", "datasets=camvid"],)]


def test_print_config_is_complete_and_valid(capsys):
    assert main(["search", "--print-config", "name=x"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert SearchConfig.model_validate(printed) == load_search(["name=x"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serch"], "unknown command 'serch' (did you mean 'search'?)"),
        (["search", "--dry-rum"], "unknown flag --dry-rum (did you mean '--dry-run'?)"),
        (["search", "--resume"], "--resume: name the folder"),
        (["search", "--resume", "--debug-me"], "--resume: name the folder"),
        (["search", "seed=x"], "seed: expected integer >= 0, got the text 'x'"),
        (["data", "check", "--dry-run"], "--dry-run: only for"),
        (["train", "models=squeezenas_mac_smal"], "(did you mean 'squeezenas_mac_small'?)"),
        ([], "usage: squeezenas COMMAND"),
    ],
)
def test_mistakes(arguments, told, capsys, called):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""
    assert called == []


def test_debug_raises():
    with pytest.raises(ValueError, match="seed"):
        main(["search", "seed=x", "--debug"])


def test_help_lists_every_card_and_key(capsys):
    assert main(["search", "--help"]) == 0
    page = capsys.readouterr().out
    for name in cards("datasets"):
        assert f"\n  {name} " in page
    for name in cards("training_regimes"):
        assert (f"\n  {name} " in page) == name.startswith("search")
    for key in keys(SearchConfig):
        assert f"\n  {key.path}: {key.accepts}" in page
    assert max(map(len, page.splitlines())) <= 110


def test_help_of_train_lists_every_card_and_key(capsys):
    assert main(["train", "--help"]) == 0
    page = capsys.readouterr().out
    for name in [*cards("datasets"), *cards("models")]:
        assert f"\n  {name} " in page
    for name in cards("training_regimes"):
        assert (f"\n  {name} " in page) == name.startswith("retrain")
    every = [
        *keys(RetrainConfig),
        *keys(Stage, "regime.stages.<stage>"),
        *keys(DatasetCard, "datasets.<stage>"),
    ]
    for key in every:
        assert f"\n  {key.path}: {key.accepts}" in page
    assert page.count("(default)") == 1


def test_help_of_the_rest(capsys):
    assert main(["-h"]) == 0
    assert main(["data", "--help"]) == 0
    assert "datasets.root: path" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"squeezenas {__version__}"


@pytest.mark.parametrize("command", ["compare", "predictor"])
def test_help_on_tables_lists_tables_alone(command, capsys):
    assert main([command, "--help"]) == 0
    listed = capsys.readouterr().out.partition("\ndatasets:\n")[2].partition("\n\n")[0]
    names = re.findall(r"^  (\S+) ", listed, re.MULTILINE)
    assert set(names) == {
        name for name, file in cards("datasets").items() if "\ntask: table\n" in file.read_text()
    }
    assert "nasbench101" in names


def test_help_survives_a_broken_card(tmp_path, monkeypatch, capsys):
    (tmp_path / "datasets").mkdir()
    Path(tmp_path / "datasets" / "broken.yaml").write_text("a: [1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["search", "--help"]) == 0
    assert "broken" in capsys.readouterr().out


def test_the_command_line_starts_without_torch(repository):
    code = (
        "import sys; from squeezenas.cli.main import main; main(['search', '--help']);"
        "main(['search', '--print-config']); main(['data', '--help']);"
        "main(['train', '--help']);"
        "main(['train', '--print-config', 'models=squeezenas_mac_small']);"
        "heavy = {'torch', 'torchvision', 'cv2', 'wandb', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["search.py"], ["train.py", "models=squeezenas_mac_small"]])
def test_a_script_is_its_command(repository, words):
    done = subprocess.run(
        [sys.executable, *words, "seed=x"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "squeezenas: seed: expected integer >= 0, got the text 'x' (on the command line)\n"
    )
