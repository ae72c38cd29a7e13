import re

import pytest
import yaml

from squeezenas.core.files import to_yaml
from squeezenas.core.recipes import cards, find, load_dataset, load_model, load_search
from squeezenas.core.search_config import SearchConfig


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


def wrong(*arguments):
    with pytest.raises(ValueError, match=r".") as caught:
        load_search(arguments)
    return str(caught.value)


def test_the_default_is_the_embedded_demo():
    config = load_search([])
    assert config.datasets.name == "street_scenes"
    assert config.regime.space == "squeezenas_small"
    assert re.fullmatch(r"search_street_scenes-street_scenes-\d{8}-\d{6}", config.name)


@pytest.mark.parametrize("name", sorted(cards("training_regimes")))
def test_every_regime_is_a_search(name):
    if name.startswith("search_"):
        config = load_search([f"training_regimes={name}"])
        assert config.regime.description


def test_every_dataset_card_is_valid_and_named_like_its_file():
    names = list(cards("datasets"))
    assert [load_dataset([f"datasets={name}"]).name for name in names] == names


def test_every_model_card_is_valid_and_named_like_its_file():
    assert [load_model(name).name for name in cards("models")] == list(cards("models"))


@pytest.mark.parametrize(
    ("size", "gmacs"), [("small", 3.007512576), ("large", 9.38614784), ("xlarge", 21.838299136)]
)
def test_paper_regimes_ask_for_the_published_cost(size, gmacs):
    regime = load_search([f"training_regimes=search_mac_{size}"]).regime
    assert regime.crop == (768, 768)
    assert regime.cost.resolution == (1024, 2048)
    assert regime.cost.target == pytest.approx(gmacs, rel=0.01)
    assert regime.head == ("deeplabv3plus" if size == "xlarge" else "lr_aspp")


def test_overrides_win_over_cards():
    config = load_search(
        [
            "regime.cost.target=0.5",
            "regime.crop=[64,128]",
            "name=x",
            "tracking=wandb",
            "wandb.tags=[7]",
        ]
    )
    assert config.regime.cost.target == 0.5
    assert config.regime.crop == (64, 128)
    assert config.tracking == ("wandb",)
    assert config.wandb.tags == ["7"]
    assert config.name == "x"


def test_saved_text_reads_back_equal():
    config = load_search(["regime.optimiser.lr=1e-5", "tracking=[wandb,tensorboard]"])
    text = to_yaml(config.model_dump(mode="json"))
    assert SearchConfig.model_validate(yaml.safe_load(text)) == config
    assert to_yaml(config.model_dump(mode="json")) == text


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("regime.cost.targett=3", "'regime.cost.target'"),
        ("batch_size=3", "'regime.batch_size'"),
        ("training_regimes.cost.target=3", "'regime.cost.target'"),
        ("regime.targets.cost=3", "'regime."),
        ("sead=3", "'seed'"),
    ],
)
def test_an_unknown_key_points_at_the_one_that_was_meant(argument, meant):
    message = wrong(argument)
    key = argument.partition("=")[0]
    assert message.startswith(f"{key}: unknown key (did you mean {meant}")


def test_every_mistake_is_listed_with_its_full_key_and_place():
    message = wrong("regime.batch_size=x", "regime.optimiser.lr=-1", "regime.crop=[33,64]", "sed=1")
    lines = message.splitlines()
    assert lines[0] == "4 keys are wrong:"
    assert (
        "  regime.batch_size: expected integer > 0, got the text 'x' (on the command line)" in lines
    )
    assert "  regime.optimiser.lr: expected number > 0, got -1 (on the command line)" in lines
    assert any(line.startswith("  regime.crop: ") and "[32, 64]" in line for line in lines)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("seed=null", "seed: expected integer >= 0, got null"),
        ("regime.strategy=3", "regime.strategy: expected a group of keys (name, sampling"),
        ("regime.crop=[32,a]", "regime.crop[1]: expected a valid integer, got the text 'a'"),
        ("regime.head=fcn", "regime.head: expected lr_aspp | deeplabv3plus, got the text 'fcn'"),
        ("regime.epochs.x=3", "regime.epochs: expected integer > 0, got {x:3}"),
        ("name=../x", "name: '../x' does not match"),
        ("tracking=mlflow", "tracking[0]: expected 'wandb' or 'tensorboard'"),
    ],
)
def test_a_wrong_value_says_what_was_expected(argument, message):
    assert wrong(argument).startswith(message)


def test_unknown_cards_list_the_known_ones():
    message = wrong("training_regimes=serch_mac_small")
    assert "did you mean 'search_mac_small'?" in message
    assert "search_street_scenes" in message
    with pytest.raises(FileNotFoundError, match=r"datasets=nowhere/x\.yaml"):
        load_search(["datasets=nowhere/x.yaml"])


def test_a_card_of_the_working_folder_wins(tmp_path, monkeypatch, repository):
    own = tmp_path / "training_regimes"
    own.mkdir()
    shipped = (repository / "training_regimes" / "search_mac_small.yaml").read_text()
    (own / "search_mac_small.yaml").write_text(shipped.replace("epochs: 150", "epochs: 77"))
    (own / "mine.yaml").write_text(shipped.replace("space:", "spaze:"))
    monkeypatch.chdir(tmp_path)
    assert load_search(["training_regimes=search_mac_small"]).regime.epochs == 77
    assert find("training_regimes", "search_mac_large").parent.parent == repository
    message = wrong(f"training_regimes={own / 'mine.yaml'}")
    assert (
        f"regime.spaze: unknown key (did you mean 'regime.space'?) (in {own}/mine.yaml)" in message
    )
    assert "regime.space: missing, expected text" in message


def test_dataset_arguments():
    assert str(load_dataset(["datasets=camvid", "datasets.root=/x"]).root) == "/x"
    with pytest.raises(
        ValueError, match=r"name a card with datasets=<card>; known: .*street_scenes"
    ):
        load_dataset([])
    with pytest.raises(ValueError, match=r"regime\.epochs: unknown key"):
        load_dataset(["datasets=camvid", "regime.epochs=3"])
    with pytest.raises(ValueError, match=r"datasets\.rot: unknown key .*'datasets\.root'"):
        load_dataset(["datasets=camvid", "datasets.rot=3"])
