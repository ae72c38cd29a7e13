import importlib.util
import json
import warnings
from concurrent.futures.process import BrokenProcessPool

import cv2
import numpy as np
import pytest
import torch

from squeezenas.cli import benchmark
from squeezenas.cli.benchmark_row import Case, measure
from squeezenas.cli.main import main
from squeezenas.core import benchmark_config, recipes
from squeezenas.core.benchmark_config import BenchmarkConfig, load_benchmark
from squeezenas.core.model_card import ModelCard, read_model_card, write_model_card
from squeezenas.core.schema import keys
from squeezenas.costs.macs import gmacs, parameters
from squeezenas.data.decode import read_frame
from squeezenas.data.frames import frames
from squeezenas.runtimes import runtime
from squeezenas.runtimes.runtime import available
from tests.cli.trained_card import trained_card
from tests.training.cityscapes_folder import cityscapes_card, draw
from tests.zoo.random_network import plainly, random_network

SMALL = ("size=[64,96]", "repeats=3", "device=cpu", "threads=1")


@pytest.fixture(autouse=True)
def repository_folder(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def here(monkeypatch):
    """Rows measured in this process, which knows the toy space."""
    monkeypatch.setattr(benchmark, "_in_a_process", measure)


@pytest.fixture
def card(tmp_path):
    return trained_card(tmp_path)


@pytest.fixture
def root(tmp_path):
    draw(tmp_path / "data", count=2, size=(64, 96))
    return tmp_path / "data"


def benchmarked(*words):
    return main(["benchmark", *SMALL, *map(str, words)])


def rows(folder):
    return json.loads((folder / "benchmark.json").read_text())["rows"]


def plain_iou(root):
    """Mean IoU in plain numpy, of the network as a user would write it."""
    pairs = [
        read_frame(frame, cityscapes_card(root)) for frame in frames(cityscapes_card(root), "val")
    ]
    masks = np.stack([mask for _, mask in pairs])
    found = plainly(random_network("lr_aspp"), torch.from_numpy(np.stack([i for i, _ in pairs])))
    labels = found.argmax(1).numpy()
    labels = np.where(masks == 255, 255, labels)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        scores = [
            np.float64(((masks == c) & (labels == c)).sum()) / ((masks == c) | (labels == c)).sum()
            for c in range(19)
        ]
    return np.nanmean(scores)


@pytest.mark.usefixtures("here")
def test_accuracy_beside_every_precision(card, root, tmp_path, capsys):
    out = tmp_path / "bench"
    words = [f"models={card}", "datasets=cityscapes", f"datasets.root={root}", f"output={out}"]
    assert benchmarked(*words, "backend=torch") == 0
    printed = capsys.readouterr().out
    exact, half = rows(out)
    assert (exact["precision"], half["precision"]) == ("fp32", "bf16")
    assert exact["miou"] == pytest.approx(plain_iou(root), abs=2e-3)
    assert exact["equal_labels"] == 1
    assert half["equal_labels"] > 0.95
    assert exact["gmacs"] == gmacs(random_network("lr_aspp"), (64, 96))
    assert exact["parameters_millions"] == parameters(random_network("lr_aspp"))
    assert exact["latency_ms"]["repeats"] == 3
    assert exact["latency_ms"]["warmup"] == 3
    assert exact["weights"] == "trained"
    assert exact["threads"] == 1
    assert (exact["peak_memory_mib"] or 100) > 50
    assert f"{100 * half['miou']:.2f} %, {100 * half['equal_labels']:.3f} %" in printed
    assert "IoU on cityscapes, val, 2 frames" in printed
    assert (out / "tradeoff.png").stat().st_size > 0
    report = json.loads((out / "benchmark.json").read_text())
    assert report["libraries"]["torch"]
    assert report["config"]["size"] == [64, 96]


def test_equal_labels_are_counted(card, root, tmp_path):
    config, _ = load_benchmark([f"models={card}", *SMALL, "frames=1"])
    dataset = cityscapes_card(root)
    image, _ = read_frame(frames(dataset, "val")[0], dataset)
    labels = plainly(random_network("lr_aspp"), torch.from_numpy(image)[None]).argmax(1)[0].numpy()
    reference = labels.astype(np.uint8)
    reference[:, :24] = 200  # no class
    cv2.imwrite(str(tmp_path / "0.png"), reference)
    model = read_model_card(card)
    found = measure(Case(model, card.parent, dataset, "torch", "bf16", "cpu", config, tmp_path))
    assert found["equal_labels"] == pytest.approx(0.75, abs=0.02)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_runtime_is_compared_with_torch(backend, card, root, tmp_path):
    if backend not in available():
        pytest.skip(f"{backend} is not installed")
    out = tmp_path / "bench"
    words = [f"models={card}", "datasets=cityscapes", f"datasets.root={root}", f"output={out}"]
    assert benchmarked(*words, f"backend={backend}", "precision=fp32", "frames=1") == 0
    reference, found = rows(out)
    assert reference["backend"] == "torch"
    assert found["backend"] == backend
    assert found["graph"].startswith("squeezenas.zoo.graph")
    assert found["equal_labels"] >= 0.999


def test_a_process_of_its_own_and_random_weights(tmp_path, repository, capsys):
    published = read_model_card(repository / "models" / "squeezenas_mac_small.yaml")
    card = ModelCard(**published.model_dump(exclude={"weights", "name"}), name="untrained")
    write_model_card(tmp_path / "untrained.yaml", card)
    words = [f"models={tmp_path}/untrained.yaml", "backend=torch", f"output={tmp_path}/bench"]
    assert benchmarked(*words, "precision=bf16", "size=[96,160]") == 0
    printed = capsys.readouterr().out
    (row,) = rows(tmp_path / "bench")
    assert row["weights"] == "random"
    assert row["miou"] is None
    assert row["accuracy"] == "labels not given"
    line = next(line for line in printed.splitlines() if line.startswith("untrained"))
    assert line.endswith("labels not given")
    assert "random weights: model card untrained has no weights.file" in printed
    # A published IoU is of fp32 weights: bf16 is not drawn at it.
    assert "no picture" in printed


@pytest.mark.usefixtures("here")
def test_all_leaves_out_what_it_cannot_measure(card, root, tmp_path, monkeypatch, capsys):
    plain = read_model_card(card).model_copy(update={"name": "plain", "weights": None})
    write_model_card(tmp_path / "plain.yaml", plain)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        runtime.importlib.util, "find_spec",
        lambda name: None if name in ("openvino", "onnxruntime") else find(name),
    )  # fmt: skip
    mine = {"toy": card, "plain": tmp_path / "plain.yaml"}
    monkeypatch.setattr(benchmark_config, "cards", lambda group: mine)
    monkeypatch.setattr(
        benchmark_config,
        "find",
        lambda group, name: mine[name] if group == "models" else recipes.find(group, name),
    )
    words = ["datasets=cityscapes", f"datasets.root={root}", "precision=fp32"]
    assert benchmarked("models=all", *words, f"output={tmp_path}/bench") == 0
    printed = capsys.readouterr().out
    assert [row["model"] for row in rows(tmp_path / "bench")] == ["toy"]
    assert "left out: model card plain has no weights.file" in printed
    assert "left out: backend=openvino: openvino is not installed" in printed
    assert benchmarked("models=toy", "backend=openvino") == 2
    assert "openvino is not installed; pip install" in capsys.readouterr().err


def test_a_killed_process_leaves_a_row_out(card, monkeypatch, capsys):
    def killed(case):
        raise BrokenProcessPool

    monkeypatch.setattr(benchmark, "_in_a_process", killed)
    assert benchmarked(f"models={card}", "backend=torch", "precision=fp32") == 1
    assert "toy, torch fp32: its process was killed" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_mistakes(card, root, tmp_path, capsys):
    network = f"models={card}"
    labels = ["datasets=cityscapes", f"datasets.root={root}"]
    (tmp_path / "plain.yaml").write_text(card.read_text().partition("weights:")[0])
    (tmp_path / "file").touch()
    for words, told in (
        ([], "name networks with models=all or CARD,CARD; known: "),
        (["models=squeezenas_mac_smal"], "did you mean 'squeezenas_mac_small'"),
        ([network, "backend=tensorrt"], "backend: expected all | torch | onnxruntime | openvino"),
        ([network, "precision=fp16"], "precision=fp16: no backend here computes in it"),
        ([network, "precision=fp16", "backend=torch"], "needs a GPU"),
        ([network, "repeats=1"], "repeats"),
        ([network, "models.name=x"], "models: several cards may be named here"),
        ([network, *labels, "size=[32,64]"], "is not of size=[32, 64]; give size=[64,96]"),
        ([network, "datasets=camvid"], "camvid"),
        ([f"models={tmp_path}/plain.yaml", *labels], "has no weights.file and no url"),
        ([network, f"output={tmp_path}/file/out"], "file"),
    ):
        assert benchmarked(*words) == 2, words
        captured = capsys.readouterr()
        assert told in captured.err, captured.err
    if not torch.cuda.is_available():
        assert benchmarked(network, "device=cuda") == 2
        assert "PyTorch sees no GPU here" in capsys.readouterr().err


def test_help_lists_every_key(capsys):
    assert main(["benchmark", "--help"]) == 0
    page = capsys.readouterr().out
    for key in keys(BenchmarkConfig):
        assert f"\n  {key.path}: {key.accepts}" in page
