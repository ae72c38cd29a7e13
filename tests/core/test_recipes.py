import os
import re
import shutil

import pytest
import yaml

from squeezenas.core.files import to_yaml
from squeezenas.core.recipes import (
    cards,
    find,
    load_card,
    load_dataset,
    load_model,
    load_retraining,
    load_search,
)
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.core.search_config import SearchConfig

MODEL = "models=squeezenas_mac_small"


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
def test_every_regime_loads(name):
    if name.startswith("search_"):
        config = load_search([f"training_regimes={name}"])
    else:
        assert name.startswith("retrain_")
        config = load_retraining([f"training_regimes={name}", MODEL])
    assert config.regime.description


def test_every_dataset_card_is_valid_and_named_like_its_file():
    names = list(cards("datasets"))
    assert [load_card([f"datasets={name}"]).name for name in names] == names


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


def test_of_very_many_mistakes_the_first_are_listed():
    head, *lines, last = wrong(*(f"regime.key{i}=1" for i in range(1000))).splitlines()
    assert (head, last) == ("1000 keys are wrong:", "  and 950 more")
    assert [line.partition(":")[0] for line in lines] == [f"  regime.key{i}" for i in range(50)]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("seed=null", "seed: expected integer >= 0, got null"),
        ("regime.strategy=3", "regime.strategy: expected a group of keys (name, sampling"),
        ("regime.crop=[32,a]", "regime.crop[1]: expected a valid integer, got the text 'a'"),
        (
            "regime.head=fcn",
            "regime.head: expected lr_aspp | deeplabv3plus | ",
        ),
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


def wrong_retraining(*arguments):
    with pytest.raises(ValueError, match=r".") as caught:
        load_retraining([MODEL, *arguments])
    return str(caught.value)


def test_the_paper_takes_a_network_through_four_stages():
    config = load_retraining([MODEL, "training_regimes=retrain_paper"])
    stages = config.regime.stages
    assert {name: (s.dataset, s.epochs, s.crop[0]) for name, s in stages.items()} == {
        "imagenet": ("imagenet", 90, 224),
        "coco": ("coco", 30, 768),
        "cityscapes_coarse": ("cityscapes_coarse", 40, 768),
        "cityscapes": ("cityscapes", 100, 768),
    }
    assert {name: card.name for name, card in config.datasets.items()} == {n: n for n in stages}
    tasks = [config.datasets[name].task for name in stages]
    assert tasks == ["classification"] + ["segmentation"] * 3
    assert all(stage.init == "previous" for stage in stages.values())
    assert re.fullmatch(r"retrain_paper-squeezenas_mac_small-\d{8}-\d{6}", config.name)


def test_a_saved_retraining_reads_back_equal():
    config = load_retraining([MODEL, "training_regimes=retrain_paper", "regime.stages.coco.ema=0"])
    text = to_yaml(config.model_dump(mode="json"))
    assert RetrainConfig.model_validate(yaml.safe_load(text)) == config
    assert list(yaml.safe_load(text)["regime"]["stages"]) == list(config.regime.stages)


def test_a_stage_may_have_another_data_set():
    words = [MODEL, "regime.stages.street_scenes.dataset=camvid"]
    config = load_retraining([*words, "datasets.street_scenes.root=/data/camvid"])
    assert config.datasets["street_scenes"].name == "camvid"
    assert str(config.datasets["street_scenes"].root) == "/data/camvid"
    # a word for the one stage there is
    assert load_retraining([MODEL, "datasets=camvid"]).datasets["street_scenes"].name == "camvid"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["training_regimes=retrain_paper", "datasets=camvid"],
         "datasets=camvid: this regime has 4 stages (imagenet, coco, cityscapes_coarse, cityscapes)"
         "; say which one with regime.stages.<stage>.dataset=camvid"),
        (["training_regimes=search_mac_small"],
         "training_regimes=search_mac_small is for search.py, not for train.py"),
        (["training_regimes=retrain_papre"],
         "training_regimes=retrain_papre: no such card (did you mean 'retrain_paper'?)"),
        (["regime.stages.street_scene.epochs=3"],
         "regime.stages.street_scene.epochs: this regime has no stage 'street_scene' "
         "(did you mean 'street_scenes'?); it has street_scenes"),
        (["datasets.root=/x"], "datasets.root: this regime has no stage 'root'"),
        (["regime.stages.street_scenes.epoch=3"],
         "regime.stages.street_scenes.epoch: unknown key"),
        (["datasets.street_scenes.rot=/x"], "datasets.street_scenes.rot: unknown key"),
        (["regime.epochs=3"], "regime.epochs: unknown key"),
        (["regime.stages.street_scenes.crop=[100,64]"],
         "regime.stages.street_scenes.crop: sides must be multiples of 32, got [100, 64]; "
         "nearest: [96, 64] (on the command line)"),
        (["regime.stages.street_scenes.dataset=camvit"], "datasets=camvit: no such card"),
        (["regime.stages=3"], "regime.stages: expected "),
        (["models.head=fcn"], "models.head: expected lr_aspp | deeplabv3plus | "),
    ],
)  # fmt: skip
def test_mistakes_of_a_retraining(arguments, message):
    assert wrong_retraining(*arguments).startswith(message)


def test_mistakes_in_a_strangers_cards_name_the_file(tmp_path, repository):
    text = (repository / "training_regimes" / "retrain_camvid.yaml").read_text()
    regime = tmp_path / "regime.yaml"
    (tmp_path / "list.yaml").write_text("- 1\n")
    for old, new, said in (
        ("  camvid:\n", "  7:\n", r"regime\.yaml: regime\.stages\.7: names of stages are texts"),
        (
            "dataset: camvid",
            f"dataset: '{'9' * 9000}'",
            r"\.\.\. \(in .*regime\.yaml\): no such card",
        ),
        (
            "dataset: camvid",
            f"dataset: {tmp_path}/list.yaml",
            r"list\.yaml.* \(in .*regime\.yaml\)",
        ),
        ("stages:", "1: 2\nstages:", r"regime\[1\].* \(in .*regime\.yaml\)"),
    ):
        assert old in text
        regime.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=said):
            load_retraining([MODEL, f"training_regimes={regime}"])


def test_a_retraining_is_not_for_search():
    message = wrong("training_regimes=retrain_camvid")
    assert message == "training_regimes=retrain_camvid is for train.py, not for search.py"


def found(runs, name, dataset, age, repository):
    """A finished search on a data set."""
    card = (repository / "models" / "squeezenas_mac_small.yaml").read_text()
    folder = runs / name
    folder.mkdir(parents=True)
    text = card.replace("dataset: cityscapes", f"dataset: {dataset}")
    (folder / "architecture.yaml").write_text(text.replace("name: squeezenas", f"name: {name}"))
    os.utime(folder / "architecture.yaml", (age, age))


def test_without_a_network_it_is_the_newest_that_was_found_on_the_data(tmp_path, repository):
    runs = tmp_path / "runs"
    for name, dataset, age in (
        ("old", "camvid", 1e9), ("new", "camvid", 2e9), ("other", "street_scenes", 3e9),
    ):  # fmt: skip
        found(runs, name, dataset, age, repository)
    words = [f"runs={runs}", "training_regimes=retrain_camvid"]
    assert load_retraining(words).models.name == "new_mac_small"
    assert load_retraining([f"runs={runs}"]).models.name == "other_mac_small"
    assert load_retraining([*words, MODEL]).models.name == "squeezenas_mac_small"
    shutil.rmtree(runs / "new")
    assert load_retraining(words).models.name == "old_mac_small"
    with pytest.raises(FileNotFoundError, match="no finished search on 'cityscapes'") as caught:
        load_retraining([f"runs={runs}", "training_regimes=retrain_cityscapes"])
    assert "run `python search.py` first, or name a network with models=<card>" in str(caught.value)
    assert "squeezenas_mac_small" in str(caught.value)
