import pytest

from squeezenas.core.files import to_yaml
from squeezenas.core.recipes import load_retraining, load_search
from squeezenas.core.resume import differences, load_resumed, load_resumed_search
from squeezenas.core.retrain_config import RetrainConfig
from squeezenas.core.search_config import SearchConfig


@pytest.fixture
def run(tmp_path, repository, monkeypatch):
    monkeypatch.chdir(repository)
    config = load_search(["name=r", "regime.epochs=9"])
    (tmp_path / "config.yaml").write_text(to_yaml(config.model_dump(mode="json")))
    return tmp_path, config


def test_differences_are_dotted_keys():
    a = load_search(["name=a"])
    b = load_search(["name=a", "regime.cost.target=0.07", "wandb.tags=[x]", "regime.crop=[64,64]"])
    assert differences(a, a) == []
    assert differences(a, b) == ["wandb.tags", "regime.crop", "regime.cost.target"]


def test_saved_configuration_comes_back(run):
    folder, config = run
    assert load_resumed(folder, [], SearchConfig) == config
    same = ["training_regimes=search_street_scenes", "datasets=street_scenes", "regime.epochs=9"]
    assert load_resumed(folder, same, SearchConfig) == config


def test_keys_that_compute_nothing_may_change(run):
    folder, config = run
    resumed = load_resumed(
        folder, ["workers=2", "tracking=wandb", "wandb.project=p", "runs=/x"], SearchConfig
    )
    assert differences(config, resumed) == ["workers", "runs", "tracking", "wandb.project"]


def test_other_keys_are_listed(run):
    folder, _ = run
    with pytest.raises(ValueError, match="another configuration") as caught:
        load_resumed(folder, ["seed=3", "regime.cost.target=0.07", "workers=2"], SearchConfig)
    message = str(caught.value)
    assert "seed (0 -> 3)" in message
    assert "regime.cost.target (" in message
    assert "workers" not in message


def test_another_card_is_another_configuration(run):
    folder, _ = run
    with pytest.raises(ValueError, match=r"regime\.space.*regime\.epochs|regime\.epochs"):
        load_resumed(folder, ["training_regimes=search_mac_large"], SearchConfig)


def test_no_run_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run to resume.*config\.yaml"):
        load_resumed(tmp_path, [], SearchConfig)


def test_a_spoiled_configuration_is_named(run):
    folder, _ = run
    with (folder / "config.yaml").open("a") as file:
        file.write("extra: 1\n")
    with pytest.raises(ValueError, match=r"extra: unknown key.*config\.yaml"):
        load_resumed(folder, [], SearchConfig)


@pytest.fixture
def training(tmp_path, repository, monkeypatch):
    monkeypatch.chdir(repository)
    words = ["name=r", "models=squeezenas_mac_small", "training_regimes=retrain_paper"]
    config = load_retraining(words)
    folder = tmp_path / "training"
    folder.mkdir()
    (folder / "config.yaml").write_text(to_yaml(config.model_dump(mode="json")))
    return folder, config


def test_a_saved_retraining_comes_back(training):
    folder, config = training
    assert load_resumed(folder, [], RetrainConfig) == config
    same = ["training_regimes=retrain_paper", "models=squeezenas_mac_small", "workers=3"]
    resumed = load_resumed(folder, [*same, "cache=off", "datasets.coco.root=/x"], RetrainConfig)
    assert differences(config, resumed) == ["workers", "cache", "datasets.coco.root"]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("regime.stages.coco.epochs=3", r"regime\.stages\.coco\.epochs \(30 -> 3\)"),
        ("models=squeezenas_lat_small", r"models\.name \(squeezenas_mac_small -> squeezenas_lat"),
        ("datasets.coco.classes=[a,b]", r"palette has 81 colours for 2 classes"),
        ("regime.stages.cocoa.epochs=3", r"no stage 'cocoa' \(did you mean 'coco'\?\)"),
        ("datasets=camvid", "this regime has 4 stages"),
    ],
)
def test_a_retraining_is_not_resumed_as_another(training, word, told):
    with pytest.raises(ValueError, match=told):
        load_resumed(training[0], [word], RetrainConfig)


def test_each_program_resumes_its_own_runs(run, training):
    """One sentence, not every key of the other schema."""
    with pytest.raises(ValueError, match=r"is a run of search\.py, not of train\.py") as caught:
        load_resumed(run[0], [], RetrainConfig)
    assert f"continue it with `python search.py --resume {run[0]}`" in str(caught.value)
    with pytest.raises(ValueError, match=r"is a run of train\.py, not of search\.py") as caught:
        load_resumed(training[0], [], SearchConfig)
    assert str(caught.value).count("\n") == 0


def test_the_folder_of_a_stage_is_not_the_run(training):
    folder, config = training
    place = folder / "1-imagenet"
    place.mkdir()
    stage = config.regime.stages["imagenet"].model_dump(mode="json")
    (place / "config.yaml").write_text(to_yaml({"stage": "imagenet", "seed": 0, **stage}))
    with pytest.raises(ValueError, match=f"is one stage of a run; .*--resume {folder}$"):
        load_resumed(place, [], RetrainConfig)


def test_a_training_of_a_named_network_comes_back(tmp_path, repository, monkeypatch):
    """Its card has neither space nor architecture."""
    monkeypatch.chdir(repository)
    words = ["name=r", "models=baseline_lstm_ptb", "training_regimes=retrain_ptb"]
    config = load_retraining(words)
    (tmp_path / "config.yaml").write_text(to_yaml(config.model_dump(mode="json")))
    assert load_resumed(tmp_path, [], RetrainConfig) == config


@pytest.mark.parametrize(
    "text", ["datasets: 3\n", "regime: [1]\n", "{}\n", "datasets: {task: table}\n"]
)
def test_a_configuration_of_another_shape_is_named(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"config\.yaml"):
        load_resumed_search(tmp_path, [])
