"""A retraining goes on bit for bit, in whatever stage and however it was killed."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file

from squeezenas.core.model_card import read_model_card
from tests.training.kill_and_resume import DEATHS

STAGES = ("1-imagenet", "2-coco", "3-cityscapes_coarse", "4-cityscapes")


@pytest.fixture(scope="module")
def folders(repository, shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.kill_and_resume", str(folder), str(shared_data)],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said").write_text(done.stdout)
    return folder / "alone" / "runs" / "paper", folder / "killed" / "runs" / "paper"


def test_it_was_killed_in_every_stage(folders):
    died = json.loads((folders[1].parents[1] / "deaths.json").read_text())
    assert died == dict.fromkeys(DEATHS, -signal.SIGKILL)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "name", ["weights.safetensors", "best.safetensors", "metrics.jsonl", "classes.csv"]
)
def test_the_files_of_a_stage_are_those_of_an_uninterrupted_run(folders, stage, name):
    alone, killed = (folder / stage / name for folder in folders)
    if (stage, name) == ("1-imagenet", "classes.csv"):
        assert not alone.exists()
        return
    assert alone.read_bytes()
    assert killed.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("stage", STAGES)
def test_the_figures_are_those_of_an_uninterrupted_run(folders, stage):
    alone, killed = (json.loads((f / stage / "summary.json").read_text()) for f in folders)
    for summary in (alone, killed):
        assert summary.pop("device_hours") > 0
        summary["start"] = summary["start"].replace("/killed/", "/alone/")
    assert alone == killed
    assert alone["steps"] == 4


def test_every_step_is_in_the_metrics_once(folders):
    for stage in STAGES:
        lines = (folders[1] / stage / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


def test_the_last_checkpoints_are_equal(folders):
    for stage in STAGES:
        alone, killed = (
            torch.load(folder / stage / "checkpoints" / "last.pt", weights_only=True)
            for folder in folders
        )
        for part in ("network", "average", "optimiser"):
            torch.testing.assert_close(killed[part], alone[part], rtol=0, atol=0)
        assert killed["history"] == alone["history"]


def test_finished_stages_are_not_run_again(folders):
    """The killed run was begun seven times; a stage speaks of itself only until it is done."""
    said = (folders[1].parents[2] / "said").read_text()
    counts = [said.count(f"{stage}: ") for stage in STAGES]
    # alone once, killed: the first death and the resumption, ... ; stage 4 died twice
    assert counts == [3, 3, 3, 4]
    assert said.count("stage imagenet is finished: ") == 5


def test_nothing_half_written_is_left(folders):
    names = {str(path.relative_to(folders[0])) for path in folders[0].rglob("*")}
    found = {str(path.relative_to(folders[1])) for path in folders[1].rglob("*")}
    assert found == names


def test_the_network_went_through_all_stages(folders):
    folder = folders[0]
    states = [load_file(folder / stage / "weights.safetensors") for stage in STAGES]
    shapes = [
        {name: tensor.shape for name, tensor in state.items() if not name.startswith("head.")}
        for state in states
    ]
    assert shapes == [shapes[0]] * 4
    heads = [sum(name.startswith("head.") for name in state) for state in states]
    assert heads == [2, 12, 12, 12]
    starts = [json.loads((folder / s / "summary.json").read_text())["start"] for s in STAGES]
    assert starts[0] == "fresh weights"
    assert "1-imagenet/model.yaml: 60 tensors loaded (stem 6, units 54)" in starts[1]
    assert "(10 classes there, 81 here): 12 tensors start anew (head 12), 2 of the" in starts[1]
    assert "(81 classes there, 19 here): 12 tensors start anew (head 12), 12 of the" in starts[2]
    assert starts[3].endswith("72 tensors loaded (stem 6, units 54, head 12)")


def test_the_card_of_the_whole_run(folders):
    card = read_model_card(folders[1] / "model.yaml")
    assert card.weights.file.as_posix() == "4-cityscapes/weights.safetensors"
    assert list(card.training["stages"]) == ["imagenet", "coco", "cityscapes_coarse", "cityscapes"]
    regime = yaml.safe_load((folders[1] / "config.yaml").read_text())["regime"]
    assert card.training["regime"] == regime
    other = read_model_card(folders[0] / "model.yaml")
    assert card.weights == other.weights
