"""Killed and resumed, networks of cells and of words end with the files of the run left alone."""

import json

import pytest
import torch

from squeezenas.cli import stage_outcome
from squeezenas.core.model_card import Costs
from squeezenas.training.fit import Fit
from tests.lives import deaths, dies
from tests.search.test_resume import TIMES, same
from tests.training import cells

FILES = ("weights.safetensors", "best.safetensors", "metrics.jsonl")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Trains twice, the second time through deaths; gives the folders of the stage."""
    monkeypatch.setattr(stage_outcome, "_draw", lambda *_: None)
    monkeypatch.setattr(stage_outcome, "_costs", lambda _: Costs())

    def run(words, stage, fatal, *more):
        alone, killed = tmp_path / "alone", tmp_path / "killed"
        assert deaths("train", words(alone, *more), alone / "runs" / "toy") == 0
        dies(monkeypatch, Fit, "learn", fatal)
        arguments = words(killed, *more, "checkpoint_minutes=0")
        assert deaths("train", arguments, killed / "runs" / "toy") == len(fatal)
        return [folder / "runs" / "toy" / stage for folder in (alone, killed)]

    return run


def assert_same(folders):
    """Gives the last checkpoint."""
    alone, killed = folders
    for name in FILES:
        assert (killed / name).read_bytes() == (alone / name).read_bytes(), name
    figures = [json.loads((folder / "summary.json").read_text())["figures"] for folder in folders]
    assert figures[0] == figures[1]
    ends = [torch.load(f / "checkpoints" / "last.pt", weights_only=True) for f in folders]
    assert list(ends[0]) == list(ends[1])
    for part in set(ends[0]) - TIMES:
        assert same(ends[0][part], ends[1][part]), part
    return ends[0]


def test_a_text_that_ends_in_averaged_weights(trained):
    """It dies in the steps 4, 9 and 10; the averaging begins as step 8 ends the third epoch."""
    end = assert_same(trained(cells.text, "1-ptb", [4, 10, 12], ".average_after=1"))
    assert end["averaged"] == 3
    assert not same(end["average"], end["network"])
    assert any(tensor.any() for tensor in end["carried"])


def test_images_with_drop_path_and_an_auxiliary_classifier(trained):
    more = (".drop_path=0.5", ".loss.auxiliary=0.4")
    end = assert_same(trained(cells.images, "1-cifar10", [1, 4], *more))
    assert any("auxiliary" in name for name in end["network"])
