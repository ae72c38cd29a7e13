"""What a user can get wrong: exit code 2, a sentence that helps, nothing half-written."""

import errno
import shutil
import warnings

import pytest
import torch

from squeezenas.cli import outcome, stage_outcome
from squeezenas.cli.main import main
from squeezenas.core.model_card import Costs
from squeezenas.engine.checkpoint import save_checkpoint
from squeezenas.training.start import CARD
from tests.search import toy as toy_search
from tests.training.toy import GENERATE, UNITS, arguments, model

STAGE = "1-street_scenes"
CHECKPOINTS = f"runs/toy/{STAGE}/checkpoints"


@pytest.fixture(autouse=True)
def quick(repository, monkeypatch):
    monkeypatch.chdir(repository)
    monkeypatch.setattr(stage_outcome, "_draw", lambda *_: None)
    monkeypatch.setattr(stage_outcome, "_costs", lambda _: Costs(resolution=(64, 128)))


def told(capsys, *words, warned=()):
    """Runs a command that must fail; gives what it said, beside progress and such warnings."""
    capsys.readouterr()
    assert main([*words]) == 2
    lines = capsys.readouterr().err.splitlines()
    *warned_of, said = [line for line in lines if "  step " not in line]
    assert [line.split(": ")[1] for line in warned_of] == list(warned)
    assert said.startswith("squeezenas: ")
    return said


@pytest.fixture
def refused(tmp_path, capsys):
    """Runs a training that must be refused, and sees that no run is left."""

    def run(*words):
        said = told(capsys, "train", *arguments(tmp_path, *words))
        assert not (tmp_path / "runs").exists()
        return said

    return run


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (".optimiser.name=adamm", "timm has no such optimiser (did you mean 'adam'?)"),
        (".optimiser.name=fusedsgd", "needs NVIDIA's apex"),
        (".optimiser={name: sgd, momentum: 0}", "optimiser.name=sgd cannot be made"),
        (".loss.class_weights=[1,2,3]", "has 3 weights for the 19 classes of street_scenes"),
        (".loss.auxiliary=0.4", "auxiliary=0.4: toy has no auxiliary head"),
        (".crop=[40,64]", "regime.stages.street_scenes.crop: sides must be multiples of 32"),
        (".accumulation=3", "batch_size 4 does not divide by accumulation 3"),
        (".precision=fp16", "precision=fp16 needs a GPU"),
        (".report=train", "is in two splits; splits must be disjoint"),
        (".report=test", "street_scenes has no split 'test'"),
        (".init=nowhere.safetensors", "nowhere.safetensors: no such file"),
        (".init=nowhere/model.yaml", "nowhere/model.yaml: no such file"),
        (".init=squeezenas_mac_smal", "no such card (did you mean 'squeezenas_mac_small'?)"),
        ("models.architecture=[skip]", "toy has 4 choices, got 1 options"),
        ("models.architecture=[skip,skip,skip,k9]", "unit03: unknown option 'k9'"),
        ("training_regimes=search_mac_small", "is for search.py, not for train.py"),
        ("regime.stages.camvid.epochs=1", "this regime has no stage 'camvid'"),
    ],
)
def test_a_configuration_that_cannot_be_trained(refused, word, message):
    assert message in refused(word)


def test_the_stage_with_the_mistake_is_named(tmp_path, capsys, repository):
    """It is the second; nothing of the first is trained."""
    regime = (repository / "training_regimes" / "retrain_street_scenes.yaml").read_text()
    first, _, stage = regime.partition("  street_scenes:\n")
    wrong = stage.replace("name: adamw", "name: adamx")
    (tmp_path / "two.yaml").write_text(f"{first}  one:\n{stage}  two:\n{wrong}")
    words = [w for w in arguments(tmp_path) if ".street_scenes." not in w]
    data = [f"datasets.{name}={{root: {toy_search.streets()}}}" for name in ("one", "two")]
    data += [f"datasets.{name}.generate={GENERATE}" for name in ("one", "two")]
    said = told(capsys, "train", *words, *data, f"training_regimes={tmp_path}/two.yaml")
    assert "squeezenas: stage two: optimiser.name=adamx: timm has no such optimiser" in said
    assert not (tmp_path / "runs").exists()


def test_cards_without_weights_are_no_beginning(refused, trained, tmp_path):
    assert "train it first" in refused(".init=baseline_deeplabv3_resnet18")
    card = shutil.copy(trained / "runs" / "toy" / STAGE / CARD, tmp_path / "alone.yaml")
    said = refused(f".init={card}")
    assert "stage street_scenes: " in said
    assert f"{tmp_path}/weights.safetensors" in said


def test_no_finished_search(tmp_path, capsys):
    words = [word for word in arguments(tmp_path) if not word.startswith("models=")]
    said = told(capsys, "train", *words)
    assert "holds no finished search on 'street_scenes'" in said
    assert "run `python search.py` first" in said
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory, repository):
    """The folder above `runs` of a finished run with AdamW, and the words it was started with."""
    folder = tmp_path_factory.mktemp("trained")
    patch = pytest.MonkeyPatch()
    patch.chdir(repository)
    patch.setattr(stage_outcome, "_draw", lambda *_: None)
    patch.setattr(stage_outcome, "_costs", lambda _: Costs(resolution=(64, 128)))
    assert main(["train", *arguments(folder, "checkpoint_minutes=0")]) == 0
    patch.undo()
    return folder


@pytest.fixture
def broken_off(trained, tmp_path):
    """A copy of that run as if it had been killed before the results were written."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    for name in ("summary.json", CARD, f"{STAGE}/summary.json", f"{STAGE}/weights.safetensors"):
        (tmp_path / "runs" / "toy" / name).unlink()
    return tmp_path / "runs" / "toy"


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_run_is_neither_overwritten_nor_resumed_as_another(trained, capsys):
    folder = trained / "runs" / "toy"
    before = contents(folder)
    said = told(capsys, "train", *arguments(trained))
    assert f"{folder} holds something already" in said
    assert f"--resume {folder}" in said
    said = told(capsys, "train", "--resume", str(folder), "seed=3")
    assert "these keys differ: seed (0 -> 3)" in said
    said = told(capsys, "train", "--resume", str(folder / STAGE))
    assert f"is one stage of a run; resume the run: --resume {folder}" in said
    said = told(capsys, "search", "--resume", str(folder))
    assert f"{folder} is a run of train.py, not of search.py" in said
    assert contents(folder) == before


def test_a_search_is_not_resumed_by_train(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(outcome, "draw_search", lambda *_: None)
    monkeypatch.setattr(outcome, "draw_overlays", lambda *_: None)
    words = ["regime.epochs=1", "regime.warmup_epochs=0"]
    assert main(["search", *toy_search.arguments(tmp_path, *words)]) == 0
    folder = tmp_path / "runs" / "toy"
    said = told(capsys, "train", "--resume", str(folder))
    assert f"{folder} is a run of search.py, not of train.py (by its config.yaml)" in said
    assert f"continue it with `python search.py --resume {folder}`" in said


def test_weights_of_another_architecture(trained, tmp_path, capsys):
    card = trained / "runs" / "toy" / CARD
    words = arguments(tmp_path, f".init={card}")
    words[0] = f"models={model(tmp_path, ('k3_e6_g1', *UNITS[1:]))}"
    said = told(capsys, "train", *words)
    assert f"stage street_scenes: {card} has weights of another architecture: " in said
    assert "the first is units.0.op.0.weight (96x16x1x1 here, 16x16x1x1 there)" in said
    assert not (tmp_path / "runs").exists()


def test_a_truncated_checkpoint_falls_back_and_ends_equal(trained, broken_off):
    last = broken_off / STAGE / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:-100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert main(["train", "--resume", str(broken_off)]) == 0
    said = [str(warning.message) for warning in caught]
    previous = last.with_name("previous.pt")
    assert any(f"{last} is damaged" in m and f"continuing from {previous}" in m for m in said)
    for name in ("weights.safetensors", "metrics.jsonl", "best.safetensors", "classes.csv"):
        wanted = (trained / "runs" / "toy" / STAGE / name).read_bytes()
        assert (broken_off / STAGE / name).read_bytes() == wanted


def test_no_checkpoint_that_can_be_read(broken_off, capsys):
    for name in ("last.pt", "previous.pt"):
        file = broken_off / STAGE / "checkpoints" / name
        file.write_bytes(file.read_bytes()[:500])
    said = told(capsys, "train", "--resume", str(broken_off))
    assert "last.pt is damaged or not a checkpoint of squeezenas" in said
    assert "start a new run" in said


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("network", "does not fit this network"),
        ("optimiser", "the saved state of the optimiser does not fit this network"),
    ],
)
def test_a_checkpoint_of_another_run(broken_off, capsys, part, message):
    """A network with a wider first unit, its weights or its moments alone."""
    file = broken_off / STAGE / "checkpoints" / "last.pt"
    state = torch.load(file, weights_only=True)
    if part == "network":
        name = "units.0.op.0.weight"
        state["network"][name] = torch.cat([state["network"][name]] * 2)
    else:
        moments = state["optimiser"]["state"][0]
        moments["exp_avg"] = torch.cat([moments["exp_avg"]] * 2)
    save_checkpoint(file, state)
    said = told(capsys, "train", "--resume", str(broken_off))
    assert message in said
    assert "of another architecture" in said


def test_losses_that_are_not_finite_stop_with_advice(tmp_path, capsys):
    words = [".optimiser={name: momentum, lr: 1.0e+30, clip: 0, warmup_epochs: 0}"]
    words += [".max_bad_steps=2", ".epochs=4"]
    warned = ["a loss or its gradients are not finite"]
    said = told(capsys, "train", *arguments(tmp_path, *words), warned=warned)
    assert "2 training steps in a row were not finite" in said
    assert "lower regime.stages.street_scenes.optimiser.lr" in said
    assert (tmp_path / "runs" / "toy" / STAGE / "metrics.jsonl").is_file()


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch, capsys):
    """The second checkpoint does not fit; with space again, the run goes on from the first."""
    whole, count = torch.save, iter(range(100))

    def save(state, file):
        if next(count) == 1:
            file.write(b"the beginning")
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(state, file)

    monkeypatch.setattr(torch, "save", save)
    said = told(capsys, "train", *arguments(tmp_path))
    assert "cannot write checkpoint" in said
    assert "No space left on device; free some space" in said
    assert [path.name for path in (tmp_path / CHECKPOINTS).iterdir()] == ["last.pt"]
    assert torch.load(tmp_path / CHECKPOINTS / "last.pt", weights_only=True)["step"] == 2
    assert main(["train", "--resume", str(tmp_path / "runs" / "toy")]) == 0
    assert (tmp_path / "runs" / "toy" / "summary.json").is_file()


def test_a_truncated_image_is_found_before_any_work(tmp_path, capsys):
    shutil.copytree(toy_search.streets(), tmp_path / "copy")
    image = sorted((tmp_path / "copy").glob("*/leftImg8bit/val/*/*.png"))[-1]
    image.write_bytes(image.read_bytes()[:-20])
    words = arguments(tmp_path, f"datasets.street_scenes.root={tmp_path}/copy")
    assert f"{image} is truncated" in told(capsys, "train", *words)
    assert not (tmp_path / "runs").exists()
