import csv
import json

import numpy as np
import pytest
import torch

from squeezenas.cli.main import main
from squeezenas.core.evaluate_config import EvaluateConfig, load_evaluation
from squeezenas.core.model_card import ModelCard, Weights, write_model_card
from squeezenas.core.schema import keys
from squeezenas.zoo.build import build
from squeezenas.zoo.weights import save_weights
from tests.search import toy
from tests.training.cityscapes_folder import cityscapes_card, draw, read, write


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def root(tmp_path):
    draw(tmp_path / "data", count=2, size=(64, 96))
    return tmp_path / "data"


@pytest.fixture
def card(tmp_path, root):
    """A card with trained weights beside it."""
    classes = cityscapes_card(root).classes
    model = ModelCard(
        name="toy", space=toy.ToySpace.name, head="lr_aspp", classes=classes, dataset="cityscapes",
        architecture=("k3_e1_g1",) * 4,
    )  # fmt: skip
    torch.manual_seed(0)
    digest = save_weights(tmp_path / "toy.safetensors", build(model), model)
    model = model.model_copy(update={"weights": Weights(file="toy.safetensors", sha256=digest)})
    write_model_card(tmp_path / "toy.yaml", model)
    return tmp_path / "toy.yaml"


def evaluated(*words):
    return main(["evaluate", *map(str, words)])


def test_a_network_and_its_own_predictions(card, root, tmp_path, capsys):
    words = [f"datasets.root={root}", "device=cpu"]
    out = tmp_path / "scores"
    assert evaluated(f"models={card}", *words, f"output={out}", "save_predictions=true") == 0
    printed = capsys.readouterr().out
    scores = json.loads((out / "scores.json").read_text())
    assert {path.name for path in out.iterdir()} == {
        "scores.json", "classes.csv", "confusion_matrix.png", "predictions",
    }  # fmt: skip
    digest = load_evaluation([f"models={card}"])[0].models.weights.sha256
    assert scores["weights_sha256"] == digest
    assert scores["libraries"]["torch"]
    assert scores["config"]["split"] == "val"
    with (out / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(cityscapes_card(root).classes)
    for row, saved in zip(rows, scores["classes"], strict=True):
        assert row["iou"] == ("" if saved["iou"] is None else str(saved["iou"]))
    assert f"{100 * scores['miou']:.2f}" in printed
    assert "mean iIoU of categories" in printed

    again = tmp_path / "again"
    files = f"predictions={out / 'predictions'}"
    assert evaluated(files, "datasets=cityscapes", *words, f"output={again}") == 0
    repeated = json.loads((again / "scores.json").read_text())
    assert repeated["confusion"] == scores["confusion"]
    assert repeated["category_iiou"] == scores["category_iiou"]
    assert repeated["weights_sha256"] is None


def test_weights_from_elsewhere_and_several_views(card, root, tmp_path, capsys):
    words = [f"models={card}", f"datasets.root={root}", "device=cpu", "flip=true"]
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "toy.safetensors").rename(tmp_path / "elsewhere" / "other.safetensors")
    assert evaluated(*words) == 2
    assert "toy.safetensors: the weights of model card toy are missing" in capsys.readouterr().err
    assert evaluated(*words, "scales=[0.5,1]", f"weights={moved}") == 0
    assert "over 2 frames" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "elsewhere", "toy.yaml"]


def test_mistakes(card, root, tmp_path, capsys):
    network, files = f"models={card}", f"predictions={tmp_path / 'empty'}"
    (tmp_path / "empty").mkdir()
    city = ["datasets=cityscapes", f"datasets.root={root}"]
    bare = tmp_path / "bare.yaml"
    write_model_card(
        bare, load_evaluation([network])[0].models.model_copy(update={"weights": None})
    )
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for words, told in (
        ([], "name a card with datasets=<card>"),
        (city, "name either a network with models=CARD or predictions=FOLDER"),
        ([network, files], "name either a network with models=CARD or predictions=FOLDER"),
        ([network, "save_predictions=true"], "save_predictions needs output=FOLDER"),
        ([files, *city, "save_predictions=true"], "save_predictions is for models=CARD"),
        ([network, "datasets=camvid"], "the 19 classes of toy are not the 11 of camvid"),
        ([network, "scales=[]"], "scales: "),
        ([network, "scales=[1,0]"], "scales[1]: "),
        ([network, "splt=val"], "splt: unknown key (did you mean 'split'?)"),
        ([network, "split=test", city[1]], "cityscapes has no split 'test'"),
        ([network, "datasets.root=none"], "Cityscapes (fine) is not in none"),
        ([network, city[1], "weights=x.safetensors"], "weights=x.safetensors: no such file"),
        ([network, city[1], f"weights={tmp_path}/broken.safetensors"], "truncated, or no safet"),
        ([f"models={bare}", city[1]], "models: toy has no trained weights beside its card"),
        ([files, *city], "has no prediction of 2 of 2 frames, ulm_000000_000019 the first"),
        (["predictions=nowhere", *city], "predictions=nowhere: no such folder"),
        ([files, "datasets=imagenet"], "imagenet is for classification; what is evaluated here"),
        ([network, city[1], "precision=fp16", "device=cpu"], "precision=fp16 needs a GPU"),
        ([network, "--dry-run"], "--dry-run: only for"),
    ):
        assert evaluated(*words) == 2, words
        captured = capsys.readouterr()
        assert told in captured.err
        assert captured.out == ""
        assert captured.err.startswith("squeezenas: ")


def test_weights_of_another_network(card, root, tmp_path, capsys):
    model = load_evaluation([f"models={card}"])[0].models
    other = model.model_copy(update={"architecture": ("k3_e3_g1",) * 4})
    save_weights(tmp_path / "other.safetensors", build(other), other)
    words = [f"models={card}", f"datasets.root={root}", f"weights={tmp_path}/other.safetensors"]
    assert evaluated(*words) == 2
    assert "other.safetensors: these weights are of another network" in capsys.readouterr().err


def test_predictions_with_unknown_ids(root, tmp_path, capsys):
    for path in (root / "gtFine").rglob("*labelIds.png"):
        write(tmp_path / "p" / path.name, read(path))
    words = [f"predictions={tmp_path}/p", "datasets=cityscapes", f"datasets.root={root}"]
    assert evaluated(*words) == 0
    assert "pixel accuracy" in capsys.readouterr().out
    broken = next((tmp_path / "p").iterdir())
    write(broken, np.full_like(read(broken), 200))
    assert evaluated(*words) == 2
    assert f"{broken} has ids [200]" in capsys.readouterr().err


def test_help_lists_every_key(capsys):
    assert main(["evaluate", "--help"]) == 0
    page = capsys.readouterr().out
    for key in keys(EvaluateConfig):
        assert f"\n  {key.path}: {key.accepts}" in page
