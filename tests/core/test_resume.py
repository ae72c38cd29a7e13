import pytest

from squeezenas.core.files import to_yaml
from squeezenas.core.recipes import load_search
from squeezenas.core.resume import differences, load_resumed


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
    assert differences(a, b) == ["wandb.tags", "regime.cost.target", "regime.crop"]


def test_saved_configuration_comes_back(run):
    folder, config = run
    assert load_resumed(folder, []) == config
    same = ["training_regimes=search_street_scenes", "datasets=street_scenes", "regime.epochs=9"]
    assert load_resumed(folder, same) == config


def test_keys_that_compute_nothing_may_change(run):
    folder, config = run
    resumed = load_resumed(folder, ["workers=2", "tracking=wandb", "wandb.project=p", "runs=/x"])
    assert differences(config, resumed) == ["workers", "runs", "tracking", "wandb.project"]


def test_other_keys_are_listed(run):
    folder, _ = run
    with pytest.raises(ValueError, match="another configuration") as caught:
        load_resumed(folder, ["seed=3", "regime.cost.target=0.07", "workers=2"])
    message = str(caught.value)
    assert "seed (0 -> 3)" in message
    assert "regime.cost.target (" in message
    assert "workers" not in message


def test_another_card_is_another_configuration(run):
    folder, _ = run
    with pytest.raises(ValueError, match=r"regime\.space.*regime\.epochs|regime\.epochs"):
        load_resumed(folder, ["training_regimes=search_mac_large"])


def test_no_run_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run to resume.*config\.yaml"):
        load_resumed(tmp_path, [])


def test_a_spoiled_configuration_is_named(run):
    folder, _ = run
    with (folder / "config.yaml").open("a") as file:
        file.write("extra: 1\n")
    with pytest.raises(ValueError, match=r"extra: unknown key.*config\.yaml"):
        load_resumed(folder, [])
